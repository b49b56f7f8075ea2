//! ICICLE for sums of points and transforms, the processor for the rest: for those who have ICICLE.

use super::cpu::CpuEngine;
use super::library::Library;
use super::{Domain, EngineError};
use ff::Field;
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use inferproof_circuits::secret::SecretColumn;
use inferproof_cuda::icicle::{Icicle as Device, IciclePoints};
pub use inferproof_cuda::icicle::{IcicleCode, IcicleError};
use std::path::Path;
use std::sync::Arc;

/// The sums and transforms of a device of ICICLE's.
#[derive(Clone, Debug)]
pub struct Icicle(Arc<Device>);

/// Proves on the processor, with sums and transforms on a device of ICICLE's: columns go there and back for each.
///
/// ICICLE is not part of this project, and has a licence of its own. What this was tested with, and what was not: `docs/design/012-gpu.md`.
pub type IcicleEngine = CpuEngine<Icicle>;

impl IcicleEngine {
    /// The device of that type (`CUDA`, `CPU`) and number, by the libraries of ICICLE 3 in a folder: `libicicle_device`, `libicicle_field_bn254` and
    /// `libicicle_curve_bn254`. What drives the device is taken from `backend` in that folder, or from where ICICLE looks for it (`ICICLE_BACKEND_INSTALL_DIR`).
    ///
    /// The libraries stay loaded; ICICLE's domain is the whole process's, and nothing else may set it while there is such an engine. An exception that leaves
    /// its functions ends the process, and what it leaves in the memory of its device is not wiped.
    ///
    /// Does NOT check whose these files are: what they do is done in this process.
    ///
    /// # Errors
    /// [`IcicleError`]: a library or function that is missing, no such device, or a library that gives other results than version 3 should.
    pub fn open(folder: &Path, device: &str, number: u32) -> Result<Self, IcicleError> {
        Ok(Self { keep_cosets: false, library: Icicle(Device::open(folder, device, number)?) })
    }
}

impl From<IcicleError> for EngineError {
    fn from(error: IcicleError) -> Self {
        match error {
            IcicleError::OutOfMemory { needed } => Self::OutOfMemory { needed },
            other => Self::Failed(other.to_string()),
        }
    }
}

impl Library for Icicle {
    type Points = IciclePoints;

    fn prepare(&self, points: &[G1Affine]) -> Result<IciclePoints, EngineError> {
        Ok(IciclePoints::new(&self.0, points)?)
    }

    fn sums(&self, points: &IciclePoints, columns: &[&SecretColumn]) -> Result<Vec<G1>, EngineError> {
        let columns: Vec<&[Fr]> = columns.iter().map(|column| &column[..]).collect();
        Ok(points.sums(&columns)?)
    }

    fn interpolate(&self, _: &Domain, columns: &mut [&mut Vec<Fr>]) -> Result<(), EngineError> {
        for column in columns {
            let mut coefficients = SecretColumn(vec![Fr::ZERO; column.len()]);
            self.0.interpolate(column, &mut coefficients.0)?;
            // The values are wiped.
            std::mem::swap(*column, &mut coefficients.0);
        }
        Ok(())
    }

    fn evaluate_on_coset(
        &self,
        _: &Domain,
        polynomials: &[&SecretColumn],
        shift: Fr,
        values: &mut [SecretColumn],
    ) -> Result<(), EngineError> {
        for (polynomial, values) in polynomials.iter().zip(values) {
            self.0.evaluate_on_coset(polynomial, shift, &mut values.0)?;
        }
        Ok(())
    }
}
