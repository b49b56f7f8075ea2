//! A generator that sets the blinding rows of `omega`.
//!
//! The stock prover draws the random rows of every advice column from the caller's generator: phase by
//! phase, column by column, six cells each, then one unused scalar a column. `Fr::random` takes eight
//! words, little-endian, and reduces them mod `p`; so answering the words of `omega`'s cells chooses them.
//! A test fixes this order.

use crate::commitment::Secret;
use ff::PrimeField;
use inferproof_circuits::machine::{BLINDING_ROWS, PHASE0_COLUMNS, UNUSABLE_ROWS};
use rand_core::{CryptoRng, RngCore};

const WORDS: usize = 8;
/// Phase 0 draws its rows and one scalar a column; `omega` is the first column of phase 1.
const FIRST_WORD: usize = WORDS * PHASE0_COLUMNS * (UNUSABLE_ROWS + 1);

/// Serves the last rows of `omega`: zeros, then the two blinding cells. All else comes from the inner generator.
pub(super) struct OmegaTail<'a, R> {
    inner: &'a mut R,
    words: [u64; WORDS * UNUSABLE_ROWS],
    served: usize,
}

impl<'a, R: RngCore + CryptoRng> OmegaTail<'a, R> {
    pub(super) fn new(inner: &'a mut R, tail: &[Secret; BLINDING_ROWS]) -> Self {
        let mut words = [0; WORDS * UNUSABLE_ROWS];
        for (slot, cell) in words.chunks_exact_mut(WORDS).skip(UNUSABLE_ROWS - BLINDING_ROWS).zip(tail) {
            for (word, bytes) in slot.iter_mut().zip(cell.0.to_repr().as_ref().chunks_exact(8)) {
                *word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
            }
        }
        Self { inner, words, served: 0 }
    }
}

impl<R> Drop for OmegaTail<'_, R> {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.words);
    }
}

impl<R: RngCore> RngCore for OmegaTail<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.inner.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        let position = self.served.checked_sub(FIRST_WORD);
        self.served += 1;
        match position.and_then(|p| self.words.get(p)) {
            Some(word) => *word,
            None => self.inner.next_u64(),
        }
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.inner.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.inner.try_fill_bytes(dest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::Field;
    use halo2_proofs::halo2curves::bn256::Fr;
    use rand_core::OsRng;

    #[test]
    fn the_chosen_cells_are_drawn() {
        let tail = [Secret(Fr::random(OsRng)), Secret(-Fr::ONE)];
        let mut os = OsRng;
        let mut rng = OmegaTail::new(&mut os, &tail);
        for _ in 0..PHASE0_COLUMNS * (UNUSABLE_ROWS + 1) {
            assert_ne!(Fr::random(&mut rng), Fr::ZERO);
        }
        let drawn: Vec<Fr> = (0..UNUSABLE_ROWS).map(|_| Fr::random(&mut rng)).collect();
        assert_eq!(drawn, [Fr::ZERO, Fr::ZERO, Fr::ZERO, Fr::ZERO, tail[0].0, tail[1].0]);
        assert_ne!(Fr::random(&mut rng), Fr::ZERO);
    }
}
