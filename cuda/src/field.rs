//! Elements and points of BN254 in the bytes that kernels have.

use crate::device::Plain;
use halo2_proofs::halo2curves::CurveExt;
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1, G1Affine};
use std::mem::{align_of, offset_of, size_of};

// Four limbs of 64 bits in Montgomery form, and two such elements a point. The kernels' tests compare values.
const _: () = assert!(size_of::<Fr>() == 32 && size_of::<Fq>() == 32 && size_of::<G1Affine>() == 64);
const _: () = assert!(align_of::<Fr>() <= 16 && align_of::<G1Affine>() <= 16);
const _: () = assert!(offset_of!(G1Affine, x) == 0 && offset_of!(G1Affine, y) == 32);

// SAFETY: four limbs without padding. Elements that are not reduced are wrong, not undefined.
unsafe impl Plain for Fr {}
// SAFETY: as for `Fr`.
unsafe impl Plain for Fq {}
// SAFETY: two elements, by the offsets above.
unsafe impl Plain for G1Affine {}

/// A point as kernels give it back: `(x / z^2, y / z^3)`, the identity with `z = 0`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Jacobian {
    x: Fq,
    y: Fq,
    z: Fq,
}

// SAFETY: three elements, in the order of C, whatever they are.
unsafe impl Plain for Jacobian {}

impl Jacobian {
    /// The point, or nothing if the coordinates are of none.
    #[must_use]
    pub fn to_point(self) -> Option<G1> {
        G1::new_jacobian(self.x, self.y, self.z).into()
    }
}
