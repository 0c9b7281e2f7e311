//! The settings file that `init` writes.

use super::{DEFAULTS, SAMPLE};

const INTRODUCTION: &str = "\
# Settings of this exchange.
#
#   vaxel check    tests this file and the flows; do so after each change
#   vaxel          serves it, when started in this folder; elsewhere: vaxel --config THIS_FILE
#
# First the numbers, queues and people. Below them every other setting, with its built-in value behind a `#`.

";

/// What these name is in the folder that `init` makes.
const FOLDERS: [(&str, &str); 3] = [("[data]", "data"), ("[flows]", "flows"), ("[sounds]", "sounds")];

/// A settings file to begin with: the sample, and behind it every other setting as a comment.
pub fn starter() -> String {
    let mut text = format!("{INTRODUCTION}{}\n", SAMPLE.split_once("\n\n").map_or(SAMPLE, |(_, rest)| rest));
    let settings = DEFAULTS.find("\n[").map_or(DEFAULTS, |at| &DEFAULTS[at + 1..]);
    let mut section = "";
    for line in settings.lines() {
        let setting = line.strip_prefix("# ").unwrap_or(line);
        let folder = FOLDERS.iter().find(|(name, _)| *name == section && setting.starts_with("folder = "));
        if line.starts_with('[') {
            section = line;
        }
        text += &match folder {
            Some((_, folder)) => format!("folder = \"{folder}\"\n"),
            None if line.is_empty() || line.starts_with(['#', '[']) => format!("{line}\n"),
            None => format!("# {line}\n"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;
    use std::path::Path;

    fn folders_of(text: &str) -> [Option<std::path::PathBuf>; 3] {
        let config = load(Some(Path::new("/x/vaxel.toml")), [], &|_| Ok(text.to_owned())).unwrap().config;
        [Some(config.data.folder), config.flows.folder, config.sounds.folder]
    }

    #[test]
    fn the_starter_is_clean_and_names_its_own_folders() {
        let loaded = load(Some(Path::new("/x/vaxel.toml")), [], &|_| Ok(starter())).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        assert_eq!(folders_of(&starter()), ["data", "flows", "sounds"].map(|name| Some(Path::new("/x").join(name))));
    }

    /// The starter with every line in force that is a comment but could be one.
    fn uncommented() -> String {
        let line = |line: &str| match line.strip_prefix("# ") {
            Some(setting) if setting.starts_with("[[") || setting.split(' ').nth(1) == Some("=") => {
                format!("{setting}\n")
            }
            _ => format!("{line}\n"),
        };
        starter().lines().map(line).collect()
    }

    #[test]
    fn whatever_is_commented_out_has_its_built_in_value() {
        assert!(uncommented().contains("\nrealm = \"sip\"\n"), "{}", uncommented());
        let load = |text: &str| {
            let read = |path: &Path| match path.extension() {
                Some(end) if end == "pem" => Ok("-----BEGIN CERTIFICATE-----\n".to_owned()),
                _ => Ok(text.to_owned()),
            };
            load(Some(Path::new("/x/vaxel.toml")), [], &read).unwrap()
        };
        let (mut whole, starter) = (load(&uncommented()), load(&starter()));
        assert!(whole.warnings.is_empty(), "{:?}", whole.warnings);
        let carrier = whole.config.trunks.pop().expect("the sample's carrier");
        assert_eq!((carrier.name.as_str(), carrier.from.len()), ("carrier", 2));
        assert!(carrier.to.is_some() && carrier.takes.contains(&"+".to_owned()), "{carrier:?}");
        let [whole, starter] = [whole, starter].map(|loaded| format!("{:?}", without_places(loaded.config)));
        assert_eq!(whole, starter);
    }

    fn without_places(mut config: crate::config::Config) -> crate::config::Config {
        config.numbers.clear();
        config.sounds.place = crate::config::Place::Settings;
        config.log.place = crate::config::Place::Settings;
        config.sip.listen_is_built_in = false;
        // Files that nobody has by default.
        config.sip.tls = crate::config::Tls::default();
        config.sip.websocket = crate::config::WebSocket::default();
        // Those of the documentation.
        config.dns = crate::config::Dns::default();
        config.capture.server = None;
        config
    }
}
