//! An emulator that finds writes beyond what is allocated.

use inferproof_cuda::{Address, Argument, Device, DeviceError, Emulator, Launch};

/// Bytes before and after each allocation that nobody may write: more than a block's threads write at a time.
const GUARD: usize = 16 * 1024;
const BYTE: u8 = 0x5a;

pub struct Guarded(Emulator);

impl Guarded {
    /// Threads run in the order of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Emulator::new(seed))
    }

    fn check(&self, at: Address) {
        let mut guard = vec![0; GUARD];
        self.0.download(at, &mut guard).unwrap();
        let intact = guard.iter().all(|byte| *byte == BYTE);
        // A test that fails for another reason says that one.
        assert!(intact || std::thread::panicking(), "a kernel wrote beyond a buffer");
    }
}

impl Device for Guarded {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn memory(&self) -> Result<[usize; 2], DeviceError> {
        self.0.memory()
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        let Address(start) = self.0.allocate(bytes + 2 * GUARD)?;
        for guard in [start, start + (GUARD + bytes) as u64] {
            self.0.upload(Address(guard), &[BYTE; GUARD])?;
        }
        Ok(Address(start + GUARD as u64))
    }

    fn free(&self, address: Address, bytes: usize) {
        let start = Address(address.0 - GUARD as u64);
        self.check(start);
        self.check(Address(address.0 + bytes as u64));
        self.0.free(start, bytes + 2 * GUARD);
    }

    fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), DeviceError> {
        self.0.upload(to, bytes)
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.0.download(from, bytes)
    }

    fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
        self.0.copy(from, to, bytes)
    }

    fn clear(&self, at: Address, bytes: usize) -> Result<(), DeviceError> {
        self.0.clear(at, bytes)
    }

    fn launch(&self, kernel: &'static str, launch: Launch, arguments: &[Argument]) -> Result<(), DeviceError> {
        self.0.launch(kernel, launch, arguments)
    }

    fn synchronise(&self) -> Result<(), DeviceError> {
        self.0.synchronise()
    }
}
