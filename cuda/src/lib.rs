//! CUDA kernels for KZG proofs over BN254, and what launches them.
//!
//! The kernels are in `kernels/`, compiled for devices by `compile.py`; the crate ships what it makes and needs no CUDA to be built. [`Device`] is the seam:
//! kernels run on a device by its driver, or on the processor in an emulator that CI uses.
//!
//! All unsafe code of the project is here. A [`Buffer`] owns memory of a device, and functions on buffers are safe: before a kernel is launched they assert that
//! all buffers are on one device and as long as it reads or writes. What takes bare addresses, [`Device::launch`] above all, is unsafe to call.

#![deny(missing_docs)]

pub mod columns;
mod device;
#[cfg(feature = "driver")]
mod driver;
#[cfg(feature = "emulator")]
mod emulator;
mod field;
#[cfg(all(feature = "icicle", unix))]
pub mod icicle;
mod msm;
mod quotient;
mod transform;

pub use device::{Address, Argument, Buffer, Device, DeviceError, Launch, Plain};
#[cfg(feature = "driver")]
pub use driver::Cuda;
#[cfg(feature = "emulator")]
pub use emulator::Emulator;
pub use field::Jacobian;
pub use msm::{Bases, Precomputed};
pub use quotient::{QuotientColumns, QuotientConstants, QuotientShape, quotient};
pub use transform::{Coset, Domain, Passes};
