//! Emulators that find writes beyond what is allocated. On devices, compute-sanitizer does.

use crate::common;
use inferproof_cuda::Device;
#[cfg(feature = "emulator")]
use inferproof_cuda::{Address, Argument, DeviceError, Emulator, Launch};
use std::sync::Arc;

/// Guarded emulators, threads forward, backward, and in two orders at random; and the CUDA device that tests may use.
pub fn devices() -> Vec<Arc<dyn Device>> {
    let mut devices: Vec<Arc<dyn Device>> = Vec::new();
    #[cfg(feature = "emulator")]
    devices.extend([0, 1, 2, 7].map(|seed| Arc::new(Guarded(Emulator::new(seed))) as Arc<dyn Device>));
    devices.extend(common::devices().into_iter().filter(|device| device.name() != "emulator"));
    devices
}

/// Bytes before and after each allocation that nobody may write: more than a block's threads write at a time.
#[cfg(feature = "emulator")]
const GUARD: usize = 16 * 1024;
#[cfg(feature = "emulator")]
const BYTE: u8 = 0x5a;

#[cfg(feature = "emulator")]
struct Guarded(Emulator);

#[cfg(feature = "emulator")]
impl Guarded {
    fn check(&self, at: Address) {
        let mut guard = vec![0; GUARD];
        // SAFETY: a guard of an allocation that is given back after this.
        unsafe { self.0.download(at, &mut guard) }.unwrap();
        let intact = guard.iter().all(|byte| *byte == BYTE);
        // A test that fails for another reason says that one.
        assert!(intact || std::thread::panicking(), "a kernel wrote beyond a buffer");
    }
}

#[cfg(feature = "emulator")]
// SAFETY: an emulator's, with allocations within its own.
unsafe impl Device for Guarded {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn memory(&self) -> Result<[usize; 2], DeviceError> {
        self.0.memory()
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        let Address(start) = self.0.allocate(bytes + 2 * GUARD)?;
        for guard in [start, start + (GUARD + bytes) as u64] {
            // SAFETY: within what was allocated, which nobody else has yet.
            unsafe { self.0.upload(Address(guard), &[BYTE; GUARD]) }?;
        }
        Ok(Address(start + GUARD as u64))
    }

    unsafe fn free(&self, address: Address, bytes: usize) {
        let start = Address(address.0 - GUARD as u64);
        self.check(start);
        self.check(Address(address.0 + bytes as u64));
        // SAFETY: `allocate` took it so, and the caller gives it back once.
        unsafe { self.0.free(start, bytes + 2 * GUARD) };
    }

    unsafe fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), DeviceError> {
        // SAFETY: by this method's own contract.
        unsafe { self.0.upload(to, bytes) }
    }

    unsafe fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError> {
        // SAFETY: by this method's own contract.
        unsafe { self.0.download(from, bytes) }
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
        // SAFETY: by this method's own contract.
        unsafe { self.0.copy(from, to, bytes) }
    }

    unsafe fn clear(&self, at: Address, bytes: usize) -> Result<(), DeviceError> {
        // SAFETY: by this method's own contract.
        unsafe { self.0.clear(at, bytes) }
    }

    unsafe fn launch(&self, kernel: &'static str, launch: Launch, arguments: &[Argument]) -> Result<(), DeviceError> {
        // SAFETY: by this method's own contract.
        unsafe { self.0.launch(kernel, launch, arguments) }
    }

    fn synchronise(&self) -> Result<(), DeviceError> {
        self.0.synchronise()
    }
}
