//! G.711: µ-law and A-law, both ways and into each other, by table.
//!
//! Samples are 16 bits: the 14 of µ-law and the 13 of A-law in the upper bits, as G.711 levels are commonly scaled. The largest
//! level is 32124 in µ-law and 32256 in A-law. Tables are made by the compiler from the segments of G.711 tables 1 and 2.

/// µ-law's code for silence (+0).
pub const ULAW_SILENCE: u8 = 0xff;
/// A-law's code for silence (its smallest positive level; there is no zero).
pub const ALAW_SILENCE: u8 = 0xd5;

pub fn ulaw_decode(code: u8) -> i16 {
    ULAW_TO_LINEAR[usize::from(code)]
}

pub fn alaw_decode(code: u8) -> i16 {
    ALAW_TO_LINEAR[usize::from(code)]
}

/// The code of the interval that the sample lies in; louder than the loudest is the loudest.
pub fn ulaw_encode(sample: i16) -> u8 {
    let code = ULAW_MAGNITUDE[usize::from(sample.unsigned_abs().min(i16::MAX as u16) >> 2)];
    if sample < 0 { code & 0x7f } else { code }
}

/// The code of the interval that the sample lies in; louder than the loudest is the loudest.
pub fn alaw_encode(sample: i16) -> u8 {
    let code = ALAW_MAGNITUDE[usize::from(sample.unsigned_abs().min(i16::MAX as u16) >> 4)];
    if sample < 0 { code ^ 0x80 } else { code }
}

/// The A-law code of the same sign whose level is nearest to that of the µ-law code.
///
/// Back in µ-law it is the same code again, except that the odd and even levels of µ-law's lowest segment fall together, as in the
/// tables of G.711 itself: A-law is coarser there.
pub fn ulaw_to_alaw(code: u8) -> u8 {
    ULAW_TO_ALAW[usize::from(code)]
}

/// The µ-law code of the same sign whose level is nearest to that of the A-law code.
pub fn alaw_to_ulaw(code: u8) -> u8 {
    ALAW_TO_ULAW[usize::from(code)]
}

static ULAW_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = ulaw_level(code as u8);
        code += 1;
    }
    table
};

static ALAW_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = alaw_level(code as u8);
        code += 1;
    }
    table
};

/// G.711 table 2: all bits inverted; sign, segment (3 bits), place in the segment (4 bits).
const fn ulaw_level(code: u8) -> i16 {
    let bits = !code;
    let segment = (bits >> 4) & 7;
    let place = (bits & 0x0f) as i16;
    let magnitude = (((2 * place + 33) << segment) - 33) << 2;
    if bits & 0x80 == 0 { magnitude } else { -magnitude }
}

/// G.711 table 1: even bits inverted; sign, segment, place. The two lowest segments have the same step.
const fn alaw_level(code: u8) -> i16 {
    let bits = code ^ 0x55;
    let segment = (bits >> 4) & 7;
    let place = (bits & 0x0f) as i16;
    let magnitude = if segment == 0 { (2 * place + 1) << 3 } else { (2 * place + 33) << (segment + 2) };
    if bits & 0x80 == 0 { -magnitude } else { magnitude }
}

/// Code of a positive sample by its upper 13 bits.
static ULAW_MAGNITUDE: [u8; 1 << 13] = {
    let mut table = [0; 1 << 13];
    let mut magnitude = 0;
    while magnitude < table.len() {
        // With 33 added, each segment begins at a power of two.
        let biased = if magnitude + 33 > 0x1fff { 0x1fff } else { magnitude + 33 };
        let segment = (biased as u32).ilog2() - 5;
        let place = (biased >> (segment + 1)) & 0x0f;
        table[magnitude] = !(((segment as usize) << 4 | place) as u8);
        magnitude += 1;
    }
    table
};

/// Code of a positive sample by its upper 11 bits.
static ALAW_MAGNITUDE: [u8; 1 << 11] = {
    let mut table = [0; 1 << 11];
    let mut magnitude = 0usize;
    while magnitude < table.len() {
        let code = if magnitude < 32 {
            magnitude
        } else {
            let segment = (magnitude as u32).ilog2() - 3;
            (segment as usize) << 4 | ((magnitude >> (segment - 1)) & 0x0f)
        };
        table[magnitude] = code as u8 ^ 0xd5;
        magnitude += 1;
    }
    table
};

static ULAW_TO_ALAW: [u8; 256] = nearest(&ULAW_TO_LINEAR, &ALAW_TO_LINEAR);
static ALAW_TO_ULAW: [u8; 256] = nearest(&ALAW_TO_LINEAR, &ULAW_TO_LINEAR);

/// For each code of one law the nearest of the other with the same sign bit (which both laws keep in the same place); of two as
/// near the louder.
const fn nearest(from: &[i16; 256], to: &[i16; 256]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let mut best = code & 0x80;
        let mut other = best;
        while other < (code & 0x80) + 0x80 {
            let distance = from[code].abs_diff(to[other]);
            let best_distance = from[code].abs_diff(to[best]);
            if distance < best_distance || (distance == best_distance && to[other].abs() > to[best].abs()) {
                best = other;
            }
            other += 1;
        }
        table[code] = best as u8;
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One magnitude of G.711 tables 1a and 2a: the decision value it begins at and its level, in 16 bits.
    struct Interval {
        begin: i32,
        level: i32,
    }

    /// G.711 table 2a, column by column: 16 steps of 2, then 16 of 4, …, 256; the first is half as wide and its level is zero.
    fn ulaw_intervals() -> Vec<Interval> {
        let mut all = Vec::new();
        let mut begin = 0;
        for segment in 0..8 {
            for place in 0..16 {
                let width = if (segment, place) == (0, 0) { 1 } else { 2 << segment };
                let level = if (segment, place) == (0, 0) { 0 } else { begin + width / 2 };
                all.push(Interval { begin: begin * 4, level: level * 4 });
                begin += width;
            }
        }
        assert_eq!(begin, 8159, "the virtual decision value at the end of table 2a");
        all
    }

    /// G.711 table 1a: 32 steps of 2, then 16 of 4, …, 128, to 4096.
    fn alaw_intervals() -> Vec<Interval> {
        let mut all = Vec::new();
        let mut begin = 0;
        for segment in 0..8 {
            for _ in 0..16 {
                let width = if segment == 0 { 2 } else { 1 << segment };
                all.push(Interval { begin: begin * 8, level: (begin + width / 2) * 8 });
                begin += width;
            }
        }
        assert_eq!(begin, 4096, "the virtual decision value at the end of table 1a");
        all
    }

    #[test]
    fn every_ulaw_sample_has_the_code_and_level_of_the_definition() {
        let intervals = ulaw_intervals();
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(sample).abs();
            let n = intervals.iter().rposition(|interval| interval.begin <= magnitude).unwrap();
            let code = !(n as u8) & if sample < 0 { 0x7f } else { 0xff };
            assert_eq!(ulaw_encode(sample), code, "{sample}");
            let level = if sample < 0 { -intervals[n].level } else { intervals[n].level };
            assert_eq!(i32::from(ulaw_decode(code)), level, "{sample}");
        }
    }

    #[test]
    fn every_alaw_sample_has_the_code_and_level_of_the_definition() {
        let intervals = alaw_intervals();
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(sample).abs();
            let n = intervals.iter().rposition(|interval| interval.begin <= magnitude).unwrap();
            let code = (n as u8 | if sample < 0 { 0 } else { 0x80 }) ^ 0x55;
            assert_eq!(alaw_encode(sample), code, "{sample}");
            let level = if sample < 0 { -intervals[n].level } else { intervals[n].level };
            assert_eq!(i32::from(alaw_decode(code)), level, "{sample}");
        }
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for code in 0..=255 {
            assert_eq!(alaw_encode(alaw_decode(code)), code);
            // µ-law has two zeros; the negative one is never made from a sample.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(ulaw_encode(ulaw_decode(code)), expected);
        }
    }

    #[test]
    fn known_codes() {
        for (code, level) in [(0x00, -32124), (0x80, 32124), (0xff, 0), (0x7f, 0), (0xfe, 8), (0xef, 132)] {
            assert_eq!(ulaw_decode(code), level, "{code:x}");
        }
        for (code, level) in [(0x2a, -32256), (0xaa, 32256), (0xd5, 8), (0x55, -8), (0xd4, 24), (0xf5, 528)] {
            assert_eq!(alaw_decode(code), level, "{code:x}");
        }
        assert_eq!((ulaw_encode(0), alaw_encode(0)), (ULAW_SILENCE, ALAW_SILENCE));
    }

    #[test]
    fn crossing_to_the_other_law_keeps_sign_order_and_level() {
        for code in 0..=255u8 {
            for (from, to) in [
                (ulaw_decode(code), alaw_decode(ulaw_to_alaw(code))),
                (alaw_decode(code), ulaw_decode(alaw_to_ulaw(code))),
            ] {
                // Never further than half of the wider step there: 1/32 of the level, and at the bottom half of A-law's 16.
                let bound = (i32::from(from).abs() / 30).max(8);
                assert!((i32::from(from) - i32::from(to)).abs() <= bound, "{code:x}: {from} {to}");
            }
            assert_eq!(ulaw_to_alaw(code) & 0x80, code & 0x80);
            assert_eq!(alaw_to_ulaw(code) & 0x80, code & 0x80);
        }
        assert_eq!((ulaw_to_alaw(ULAW_SILENCE), alaw_to_ulaw(ULAW_SILENCE) & 0x80), (ALAW_SILENCE, 0x80));
    }

    #[test]
    fn crossing_twice_is_once_but_for_the_lowest_levels() {
        let changed: Vec<u8> = (0..=255).filter(|&code| alaw_to_ulaw(ulaw_to_alaw(code)) != code).collect();
        assert_eq!(changed.len(), 16, "{changed:x?}");
        for code in changed {
            assert!(ulaw_decode(code).abs() <= 120, "{code:x}");
        }
        for code in 0..=255 {
            let twice = ulaw_to_alaw(alaw_to_ulaw(ulaw_to_alaw(code)));
            assert_eq!(twice, ulaw_to_alaw(code), "a third crossing changes nothing more: {code:x}");
        }
    }
}
