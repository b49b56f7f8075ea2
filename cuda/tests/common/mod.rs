//! The devices that tests run on.

use inferproof_cuda::Device;
use std::sync::Arc;

/// Emulators that run blocks and threads forward, backward and at random, if they are built in; and the first CUDA device if `INFERPROOF_CUDA_TESTS` is set,
/// which then has to be there.
pub fn devices() -> Vec<Arc<dyn Device>> {
    let mut devices: Vec<Arc<dyn Device>> = Vec::new();
    #[cfg(feature = "emulator")]
    for seed in [0, 1, 7] {
        devices.push(Arc::new(inferproof_cuda::Emulator::new(seed)));
    }
    #[cfg(feature = "driver")]
    devices.extend(cuda().map(|device| device as Arc<dyn Device>));
    if devices.is_empty() {
        eprintln!("nothing is tested: no emulator (feature `emulator`), no device (`INFERPROOF_CUDA_TESTS=1`)");
    }
    devices
}

/// The CUDA device of all tests of a program, if they are to use one.
#[cfg(feature = "driver")]
fn cuda() -> Option<Arc<inferproof_cuda::Cuda>> {
    static DEVICE: std::sync::OnceLock<Arc<inferproof_cuda::Cuda>> = std::sync::OnceLock::new();
    let open = || Arc::new(inferproof_cuda::Cuda::open(0).expect("INFERPROOF_CUDA_TESTS is set"));
    std::env::var_os("INFERPROOF_CUDA_TESTS").map(|_| DEVICE.get_or_init(open).clone())
}
