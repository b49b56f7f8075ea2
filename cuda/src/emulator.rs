//! Kernels on the processor: the same sources, compiled for it, one fiber a thread. Thousands of times slower than a device.

use crate::device::{Address, Argument, Device, DeviceError, Launch};
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

unsafe extern "C" {
    fn inferproof_emulator_launch(
        name: *const c_char,
        grid: *const u32,
        block: *const u32,
        shared_bytes: u32,
        arguments: *mut *mut c_void,
        seed: u64,
    ) -> c_int;
    fn inferproof_emulator_error() -> *const c_char;
    fn inferproof_emulator_parameters(name: *const c_char, sizes: *mut u32, capacity: u32) -> c_int;
}

/// Most parameters of a kernel.
const PARAMETERS: usize = 32;
/// What is allocated comes in multiples of this, in units of 16 bytes.
const GRANULE: usize = 16;
/// The bit of a seed that takes barriers out.
const WITHOUT_BARRIERS: u64 = 1 << 63;

/// A device that is none. Memory is the process's; what is freed or out of bounds is found out at copies, not within kernels.
#[derive(Debug)]
pub struct Emulator {
    /// Order in which blocks and threads run: 0 forward, 1 backward, else at random; the highest bit takes barriers out.
    seed: u64,
    /// Bytes that may be allocated at a time.
    limit: usize,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    used: usize,
    blocks: HashMap<u64, (Vec<u128>, usize)>,
}

impl Emulator {
    /// A device whose threads run in the order of `seed`, of which 63 bits count.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_memory(seed, usize::MAX)
    }

    /// A device on which barriers do nothing, to see that tests notice a missing one.
    ///
    /// # Safety
    /// Threads read shared memory before others have written it. So on this device nothing may run that takes an address, or what one is computed from, from
    /// there: no [`quotient`](crate::quotient), no sums of [`Bases`](crate::Bases). Transforms and what is in [`columns`](crate::columns) may: they have
    /// elements alone there.
    #[must_use]
    pub unsafe fn without_barriers(seed: u64) -> Self {
        Self { seed: seed | WITHOUT_BARRIERS, ..Self::new(0) }
    }

    /// A device with `limit` bytes.
    #[must_use]
    pub fn with_memory(seed: u64, limit: usize) -> Self {
        Self { seed: seed & !WITHOUT_BARRIERS, limit, memory: Mutex::default() }
    }

    /// Bytes that are allocated.
    #[must_use]
    pub fn used(&self) -> usize {
        self.memory().used
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `f` on `bytes` bytes of memory, if they are allocated.
    fn with<T>(&self, at: Address, bytes: usize, f: impl FnOnce(&mut [u8]) -> T) -> Result<T, DeviceError> {
        let mut memory = self.memory();
        let found = memory
            .blocks
            .iter_mut()
            .find(|(start, (_, size))| **start <= at.0 && at.0 + bytes as u64 <= **start + *size as u64);
        let Some((start, (block, size))) = found else {
            return Err(DeviceError::Failed { what: "a copy", reason: "not within one allocation".into() });
        };
        let first = (at.0 - start) as usize;
        // SAFETY: the block has at least `size` bytes, all initialised, and is borrowed for as long as the slice; no kernel runs while its lock is held.
        let all = unsafe { std::slice::from_raw_parts_mut(block.as_mut_ptr().cast::<u8>(), *size) };
        Ok(f(&mut all[first..first + bytes]))
    }
}

// SAFETY: every block is a vector of its own, which does not move, of units of 16 bytes. Kernels are the ones of `kernels/`. Calls take their turns at the lock.
unsafe impl Device for Emulator {
    fn name(&self) -> &'static str {
        "emulator"
    }

    fn memory(&self) -> Result<[usize; 2], DeviceError> {
        Ok([self.limit - self.used(), self.limit])
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        let mut memory = self.memory();
        if bytes > self.limit - memory.used {
            return Err(DeviceError::OutOfMemory { needed: bytes });
        }
        // Anything but zeros, so that what is read before it is written shows.
        let units = bytes.div_ceil(16).max(1).next_multiple_of(GRANULE);
        let mut block = vec![0xa5a5_a5a5_a5a5_a5a5_a5a5_a5a5_a5a5_a5a5_u128; units];
        // Kernels make pointers of it.
        let address = block.as_mut_ptr().expose_provenance() as u64;
        memory.used += bytes;
        memory.blocks.insert(address, (block, bytes));
        Ok(Address(address))
    }

    unsafe fn free(&self, address: Address, bytes: usize) {
        let mut memory = self.memory();
        let (_, size) = memory.blocks.remove(&address.0).expect("allocated, and freed once");
        assert_eq!(size, bytes, "the size it was allocated with");
        memory.used -= bytes;
    }

    unsafe fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), DeviceError> {
        self.with(to, bytes.len(), |memory| memory.copy_from_slice(bytes))
    }

    unsafe fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.with(from, bytes.len(), |memory| bytes.copy_from_slice(memory))
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
        let copied = self.with(from, bytes, |memory| memory.to_vec())?;
        self.with(to, bytes, |memory| memory.copy_from_slice(&copied))
    }

    unsafe fn clear(&self, at: Address, bytes: usize) -> Result<(), DeviceError> {
        self.with(at, bytes, |memory| memory.fill(0))
    }

    unsafe fn launch(&self, kernel: &'static str, launch: Launch, arguments: &[Argument]) -> Result<(), DeviceError> {
        let failed = |reason: String| DeviceError::Failed { what: kernel, reason };
        let name = CString::new(kernel).map_err(|_| failed("a name with a zero byte".into()))?;
        let mut sizes = [0; PARAMETERS];
        // SAFETY: the name ends with a zero byte, and there is room for as many sizes as is said.
        let count = unsafe { inferproof_emulator_parameters(name.as_ptr(), sizes.as_mut_ptr(), PARAMETERS as u32) };
        let got: Vec<u32> = arguments.iter().map(|argument| argument.bytes() as u32).collect();
        if usize::try_from(count).ok() != Some(got.len()) || sizes[..got.len()] != got {
            return Err(failed(format!("arguments of {got:?} bytes, {count} are wanted: {sizes:?}")));
        }
        let mut words: Vec<u64> = arguments.iter().map(|argument| argument.word()).collect();
        let mut pointers: Vec<*mut c_void> = words.iter_mut().map(|word| std::ptr::from_mut(word).cast()).collect();
        let block = [launch.block, 1, 1];
        // Kernels use memory without borrowing it: no copy may do so meanwhile.
        let _memory = self.memory();
        // SAFETY: the kernel has these parameters, by the sizes above, and the words outlive the call. Addresses are what this method's contract says.
        let code = unsafe {
            inferproof_emulator_launch(
                name.as_ptr(),
                launch.grid.as_ptr(),
                block.as_ptr(),
                launch.shared,
                pointers.as_mut_ptr(),
                self.seed,
            )
        };
        if code == 0 {
            return Ok(());
        }
        // SAFETY: a string that ends with a zero byte and lives until this thread's next launch.
        let reason = unsafe { CStr::from_ptr(inferproof_emulator_error()) };
        Err(failed(reason.to_string_lossy().into_owned()))
    }

    fn synchronise(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}
