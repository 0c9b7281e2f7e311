//! A table of numbers for people.

/// A number and its band, each aligned by itself. Numbers that have none share an empty one.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    pub mean: String,
    pub band: String,
}

impl From<String> for Cell {
    /// A number without a band.
    fn from(mean: String) -> Cell {
        Cell { mean, band: String::new() }
    }
}

/// Columns as wide as they have to be, the means to the right and the bands to the left, beneath two lines of head that
/// are left out where they are empty.
pub fn aligned<const N: usize>(head: &[&str; N], unit: &[&str; N], rows: &[(String, [Cell; N])]) -> String {
    let width = |text: &str| text.chars().count();
    let column = |i: usize| {
        let cells = || rows.iter().map(move |(_, cells)| &cells[i]);
        let means = cells().map(|cell| width(&cell.mean)).max().unwrap_or(0);
        let bands = cells().map(|cell| width(&cell.band)).max().unwrap_or(0);
        let gap = usize::from(bands > 0);
        (means.max(width(head[i]).max(width(unit[i])).saturating_sub(bands + gap)), bands, gap)
    };
    let columns: Vec<_> = (0..N).map(column).collect();
    let first = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let mut text = String::new();
    for line in [head, unit].into_iter().filter(|line| line.iter().any(|word| !word.is_empty())) {
        let mut written = " ".repeat(first);
        for (word, (means, bands, gap)) in line.iter().zip(&columns) {
            written += &format!("  {word:>0$}", means + gap + bands);
        }
        text += &format!("{}\n", written.trim_end());
    }
    for (name, cells) in rows {
        let mut written = format!("{name:first$}");
        for (Cell { mean, band }, (means, bands, gap)) in cells.iter().zip(&columns) {
            written += &format!("  {mean:>means$}{}{band:<bands$}", " ".repeat(*gap));
        }
        text += &format!("{}\n", written.trim_end());
    }
    text
}
