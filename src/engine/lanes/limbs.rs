//! The limbs of field elements as `halo2curves` stores them, and the constants of the scalar field.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::serde::SerdeObject;
use std::io::{Read, Result, Write};

/// The modulus `p`, little-endian limbs.
pub(in crate::engine) const P: [u64; 4] =
    [0x43e1_f593_f000_0001, 0x2833_e848_79b9_7091, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];

/// `-p^-1 mod 2^64`.
pub(in crate::engine) const INV: u64 = 0xc2e1_f593_efff_ffff;

/// Limbs on their way; how many have passed.
struct Limbs([u64; 4], usize);

// `SerdeObject` writes and reads limb by limb, and is generic over the other side: with these, all of it comes down to
// moves. `to_raw_bytes` allocates, and `from_raw_bytes_unchecked` is a call.
impl Write for Limbs {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.write_all(bytes)?;
        Ok(8)
    }

    #[inline(always)]
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.0[self.1] = u64::from_le_bytes(bytes.try_into().expect("a limb"));
        self.1 += 1;
        Ok(())
    }

    #[inline(always)]
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Read for Limbs {
    #[inline(always)]
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        self.read_exact(bytes)?;
        Ok(8)
    }

    #[inline(always)]
    fn read_exact(&mut self, bytes: &mut [u8]) -> Result<()> {
        bytes.copy_from_slice(&self.0[self.1].to_le_bytes());
        self.1 += 1;
        Ok(())
    }
}

/// The limbs of `value 2^256 mod p`. Cost: a copy.
#[inline(always)]
pub(in crate::engine) fn limbs_of(value: &Fr) -> [u64; 4] {
    let mut limbs = Limbs([0; 4], 0);
    value.write_raw(&mut limbs).expect("writing to memory");
    limbs.0
}

/// The element whose limbs are these; they must be below `p`. Cost: a copy.
#[inline(always)]
pub(in crate::engine) fn from_limbs(limbs: [u64; 4]) -> Fr {
    Fr::read_raw_unchecked(&mut Limbs(limbs, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::Field;
    use rand_core::OsRng;

    #[test]
    fn both_ways() {
        for value in [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::random(OsRng)] {
            assert_eq!(from_limbs(limbs_of(&value)), value);
            let bytes: Vec<u8> = limbs_of(&value).iter().flat_map(|limb| limb.to_le_bytes()).collect();
            assert_eq!(bytes, value.to_raw_bytes());
        }
    }
}
