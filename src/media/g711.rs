//! G.711 µ-law and A-law without tables and without branches, so that the compiler turns the slice functions into vector code.
//!
//! A companded value is a small floating-point number: three bits of exponent, four of mantissa. Converting the sample to `f32` does the search for the segment,
//! and the upper bits of its pattern are the code. Exact for every input against the segment search of the Recommendation (see the tests).
//! Out of scope: the even-bit law of other networks' PCM, and packet loss (see [`super::plc`]).

/// µ-law: added before companding, so that every segment starts at a power of two.
const BIAS: i32 = 132;
/// µ-law: the largest magnitude that the code reaches.
const CLIP: i32 = 32635;
/// The exponent of 128.0 in place: what the pattern of the lowest segment is counted from.
const LOWEST: u32 = 134 << 4;
/// Adding this to a smaller non-negative `f32` leaves the integer part in the low 23 bits: a conversion that vectorises without `unsafe`.
const INTEGER_IN_MANTISSA: f32 = 8_388_608.0;

/// One sample to µ-law.
#[inline]
pub fn encode_ulaw(sample: i16) -> u8 {
    let value = i32::from(sample);
    let sign = (value >> 31) as u32 & 0x80;
    let magnitude = value.abs().min(CLIP) + BIAS;
    let segment = ((magnitude as f32).to_bits() >> 19).wrapping_sub(LOWEST);
    !((segment | sign) as u8)
}

/// One µ-law code to a sample.
#[inline]
pub fn decode_ulaw(code: u8) -> i16 {
    let code = u32::from(!code);
    let middle = f32::from_bits((((code & 0x7f) + LOWEST) << 19) | (1 << 18));
    let magnitude = ((middle + INTEGER_IN_MANTISSA).to_bits() & 0x007f_ffff) as i32 - BIAS;
    let negative = -((code >> 7) as i32);
    ((magnitude ^ negative) - negative) as i16
}

/// One sample to A-law.
#[inline]
pub fn encode_alaw(sample: i16) -> u8 {
    let value = i32::from(sample);
    let magnitude = value ^ (value >> 31);
    let upper = ((magnitude as f32).to_bits() >> 19).wrapping_sub(LOWEST);
    let lower = (magnitude >> 4) as u32;
    let code = if magnitude < 256 { lower } else { upper };
    // The sign bit is set for positive values, and every even bit is inverted (G.711 table 1a).
    let sign = (!value >> 31) as u32 & 0x80;
    ((code | sign) ^ 0x55) as u8
}

/// One A-law code to a sample.
#[inline]
pub fn decode_alaw(code: u8) -> i16 {
    let code = u32::from(code ^ 0x55);
    let magnitude = code & 0x7f;
    let upper = f32::from_bits(((magnitude + LOWEST) << 19) | (1 << 18));
    let upper = ((upper + INTEGER_IN_MANTISSA).to_bits() & 0x007f_ffff) as i32;
    let lower = (magnitude << 4) as i32 + 8;
    let magnitude = if magnitude < 16 { lower } else { upper };
    let negative = (code >> 7) as i32 - 1;
    ((magnitude ^ negative) - negative) as i16
}

/// Samples to µ-law; as many as the shorter of both holds.
pub fn encode_ulaw_all(samples: &[i16], codes: &mut [u8]) {
    for (code, &sample) in codes.iter_mut().zip(samples) {
        *code = encode_ulaw(sample);
    }
}

/// µ-law to samples; as many as the shorter of both holds.
pub fn decode_ulaw_all(codes: &[u8], samples: &mut [i16]) {
    for (sample, &code) in samples.iter_mut().zip(codes) {
        *sample = decode_ulaw(code);
    }
}

/// Samples to A-law; as many as the shorter of both holds.
pub fn encode_alaw_all(samples: &[i16], codes: &mut [u8]) {
    for (code, &sample) in codes.iter_mut().zip(samples) {
        *code = encode_alaw(sample);
    }
}

/// A-law to samples; as many as the shorter of both holds.
pub fn decode_alaw_all(codes: &[u8], samples: &mut [i16]) {
    for (sample, &code) in samples.iter_mut().zip(codes) {
        *sample = decode_alaw(code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// µ-law by the segment search of G.711 §3.2, in whole numbers.
    fn ulaw_by_search(sample: i16) -> u8 {
        let value = i32::from(sample);
        let sign = if value < 0 { 0x80 } else { 0 };
        let magnitude = value.abs().min(32635) + 132;
        let segment = (0..8).find(|segment| magnitude < 256 << segment).unwrap();
        let step = (magnitude >> (segment + 3)) & 0xf;
        !(sign | (segment << 4) | step) as u8
    }

    fn ulaw_by_formula(code: u8) -> i16 {
        let code = !code;
        let magnitude = (((i32::from(code & 0xf) << 3) + 132) << ((code >> 4) & 7)) - 132;
        (if code & 0x80 == 0 { magnitude } else { -magnitude }) as i16
    }

    /// A-law by the segment search of G.711 §3.1, on 13-bit magnitudes.
    fn alaw_by_search(sample: i16) -> u8 {
        let value = i32::from(sample) >> 3;
        let (mask, magnitude) = if value >= 0 { (0xd5, value) } else { (0x55, -value - 1) };
        let segment = (0..8).find(|segment| magnitude < 32 << segment).unwrap();
        let step = if segment < 2 { magnitude >> 1 } else { magnitude >> segment } & 0xf;
        ((segment << 4) | step) as u8 ^ mask
    }

    fn alaw_by_formula(code: u8) -> i16 {
        let code = code ^ 0x55;
        let (segment, step) = (i32::from(code >> 4) & 7, i32::from(code & 0xf) << 4);
        let magnitude = if segment == 0 { step + 8 } else { (step + 0x108) << (segment - 1) };
        (if code & 0x80 != 0 { magnitude } else { -magnitude }) as i16
    }

    #[test]
    fn every_sample_becomes_the_code_of_the_recommendation() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(encode_ulaw(sample), ulaw_by_search(sample), "µ-law of {sample}");
            assert_eq!(encode_alaw(sample), alaw_by_search(sample), "A-law of {sample}");
        }
    }

    #[test]
    fn every_code_becomes_the_sample_of_the_recommendation() {
        for code in 0..=255 {
            assert_eq!(decode_ulaw(code), ulaw_by_formula(code), "µ-law {code:#04x}");
            assert_eq!(decode_alaw(code), alaw_by_formula(code), "A-law {code:#04x}");
        }
    }

    #[test]
    fn the_known_points_of_both_laws() {
        assert_eq!((encode_ulaw(0), decode_ulaw(0xff)), (0xff, 0));
        assert_eq!((encode_ulaw(i16::MAX), decode_ulaw(0x80)), (0x80, 32124));
        assert_eq!((encode_ulaw(i16::MIN), decode_ulaw(0x00)), (0x00, -32124));
        assert_eq!((encode_alaw(0), decode_alaw(0xd5)), (0xd5, 8));
        assert_eq!((encode_alaw(i16::MAX), decode_alaw(0xaa)), (0xaa, 32256));
        assert_eq!((encode_alaw(i16::MIN), decode_alaw(0x2a)), (0x2a, -32256));
    }

    #[test]
    fn whole_frames_are_coded_sample_by_sample() {
        let samples: Vec<i16> = (0..160).map(|i| (i * 409 - 32000) as i16).collect();
        let (mut codes, mut back) = ([0; 160], [0; 160]);
        encode_ulaw_all(&samples, &mut codes);
        decode_ulaw_all(&codes, &mut back);
        assert!(samples.iter().zip(back).all(|(&sample, back)| back == decode_ulaw(encode_ulaw(sample))));
        encode_alaw_all(&samples, &mut codes);
        decode_alaw_all(&codes, &mut back);
        assert!(samples.iter().zip(back).all(|(&sample, back)| back == decode_alaw(encode_alaw(sample))));
    }
}
