//! Public tensors as bytes and as field elements.
//!
//! Spec: `docs/spec/machine.md#public-tensors`. An element is 1 byte for ranges of at most 8 bits, else 2, big-endian two's
//! complement; `floor(31/bytes)` elements make a word, the first most significant, the last word zero-filled. A word is
//! the sum of the elements' *values* times powers of 256, so it is negative where its leading element is.

use crate::integer::{Interval, to_field};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use serde::{Deserialize, Serialize};

/// How the elements of a public tensor are packed into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packing {
    /// Number of elements.
    pub elements: usize,
    /// Bytes an element: 1 or 2.
    pub bytes: u32,
    /// Values allowed.
    pub range: Interval,
}

impl Packing {
    /// The packing of a tensor of `elements` values in `range`.
    #[must_use]
    pub const fn new(elements: usize, range: Interval) -> Self {
        let one = (range.lo >= 0 && range.hi < 256) || (range.lo >= -128 && range.hi < 128);
        Self { elements, bytes: if one { 1 } else { 2 }, range }
    }

    /// Whether every value of `range` has an encoding of its own.
    #[must_use]
    pub const fn encodes(range: Interval) -> bool {
        let unsigned = range.lo >= 0 && range.hi < 1 << 16;
        let signed = range.lo >= -(1 << 15) && range.hi < 1 << 15;
        range.lo <= range.hi && (unsigned || signed)
    }

    /// Elements a word.
    #[must_use]
    pub const fn per_word(&self) -> usize {
        31 / self.bytes as usize
    }

    /// Number of words.
    #[must_use]
    pub const fn words(&self) -> usize {
        self.elements.div_ceil(self.per_word())
    }

    /// Number of bytes of the tensor.
    #[must_use]
    pub const fn byte_len(&self) -> usize {
        self.elements * self.bytes as usize
    }

    /// The two's complement of `value` as an unsigned integer.
    #[must_use]
    pub const fn encode_element(&self, value: i64) -> i64 {
        value.rem_euclid(1 << (8 * self.bytes))
    }

    /// The tensor's bytes. Values outside 16 bits wrap; the range check of the network comes before.
    #[must_use]
    pub fn encode(&self, values: &[i64]) -> Vec<u8> {
        let skip = 8 - self.bytes as usize;
        values.iter().flat_map(|v| self.encode_element(*v).to_be_bytes().into_iter().skip(skip)).collect()
    }

    /// The tensor's values; `None` for a wrong length or an element outside the range.
    #[must_use]
    pub fn decode(&self, bytes: &[u8]) -> Option<Vec<i64>> {
        if bytes.len() != self.byte_len() {
            return None;
        }
        let values = bytes.chunks(self.bytes as usize).map(|chunk| self.decode_element(chunk));
        values.map(|value| self.range.contains(value).then_some(value)).collect()
    }

    /// The value of an element's bytes, which may lie outside the range.
    fn decode_element(&self, bytes: &[u8]) -> i64 {
        let unsigned = bytes.iter().fold(0, |acc, byte| acc << 8 | i64::from(*byte));
        let sign = 1 << (8 * self.bytes - 1);
        if self.range.lo < 0 { (unsigned ^ sign) - sign } else { unsigned }
    }

    /// The words of a tensor's bytes; `None` for a wrong length.
    ///
    /// With `B` a word's bytes as a big-endian integer and `M` the sign bits of its elements, the word of a
    /// tensor that may be negative is `(B xor M) - M` mod `p`: no need to go element by element.
    #[must_use]
    pub fn words_of(&self, bytes: &[u8]) -> Option<Vec<Fr>> {
        if bytes.len() != self.byte_len() {
            return None;
        }
        let radix = Fr::from(1 << (8 * self.bytes));
        let word = |chunk: &[u8]| {
            let values = chunk.chunks(self.bytes as usize).map(|bytes| to_field(self.decode_element(bytes)));
            let filled = values.chain(std::iter::repeat(Fr::ZERO)).take(self.per_word());
            filled.fold(Fr::ZERO, |word, value| word * radix + value)
        };
        Some(bytes.chunks(self.per_word() * self.bytes as usize).map(word).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// No two values share bytes, at the ends of what is allowed.
    #[test]
    fn encodings_are_unique() {
        assert!(!Packing::encodes(Interval::new(-1, 65535)));
        assert!(!Packing::encodes(Interval::new(-32769, 0)));
        for range in
            [Interval::new(-32768, 32767), Interval::new(0, 65535), Interval::new(-1, 255), Interval::new(-128, 128)]
        {
            assert!(Packing::encodes(range));
            let packing = Packing::new(1, range);
            let codes: std::collections::HashSet<_> = (range.lo..=range.hi).map(|v| packing.encode(&[v])).collect();
            assert_eq!(codes.len() as u64, range.len());
        }
    }

    fn ranges() -> impl Strategy<Value = Interval> {
        prop_oneof![
            Just(Interval::new(0, 255)),
            Just(Interval::new(-127, 127)),
            Just(Interval::new(-300, 299)),
            Just(Interval::new(0, 65535)),
        ]
    }

    proptest! {
        #[test]
        fn values_survive(range in ranges(), seeds in proptest::collection::vec(any::<u32>(), 1..80)) {
            let values: Vec<i64> = seeds.iter().map(|s| range.lo + i64::from(*s) % range.len() as i64).collect();
            let packing = Packing::new(values.len(), range);
            let bytes = packing.encode(&values);
            prop_assert_eq!(packing.decode(&bytes), Some(values));
            let words = packing.words_of(&bytes).expect("the right length");
            prop_assert_eq!(words.len(), packing.words());
            let signed = range.lo < 0;
            let sign_bits = [u8::from(signed) << 7, 0];
            for (word, chunk) in words.iter().zip(bytes.chunks(packing.per_word() * packing.bytes as usize)) {
                let (mut flipped, mut mask) = (Fr::ZERO, Fr::ZERO);
                for place in 0..packing.per_word() * packing.bytes as usize {
                    let sign = sign_bits[place % packing.bytes as usize];
                    let byte = chunk.get(place).copied().unwrap_or(0) ^ sign;
                    flipped = flipped * Fr::from(256) + Fr::from(u64::from(byte));
                    mask = mask * Fr::from(256) + Fr::from(u64::from(sign));
                }
                prop_assert_eq!(*word, flipped - mask);
            }
            prop_assert_eq!(packing.decode(&bytes[1..]), None);
            prop_assert_eq!(packing.words_of(&bytes[1..]), None);
        }
    }

    #[test]
    fn the_first_element_is_most_significant() {
        let packing = Packing::new(2, Interval::new(-128, 127));
        let word = packing.words_of(&packing.encode(&[-1, 2])).expect("two bytes")[0];
        let place = |p: u64| Fr::from(256).pow_vartime([p]);
        assert_eq!(word, Fr::from(2) * place(29) - place(30));
        let wide = Packing::new(16, Interval::new(0, 300));
        assert_eq!((wide.bytes, wide.per_word(), wide.words()), (2, 15, 2));
        assert_eq!(Packing::new(1, Interval::new(-127, 127)).decode(&[128]), None, "-128 is not in the range");
    }
}
