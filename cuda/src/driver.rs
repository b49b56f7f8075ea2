//! Kernels on a CUDA device, by the driver that is there when the program runs.

mod api;
mod find;
mod staging;

use crate::device::{Address, Argument, Device, DeviceError, Launch};
use api::{Api, Code};
use cudarc::driver::sys::{self, CUcontext, CUdevice, CUdeviceptr};
use cudarc::driver::sys::{CUfunction, CUfunction_attribute, CUmodule, CUstream, CUstream_flags};
use find::{Found, SHARED, find};
use staging::Staging;
use std::collections::HashMap;
use std::ffi::{CString, c_int, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The driver reads words of it.
#[repr(C, align(64))]
struct Image<T: ?Sized>(T);

/// For compute capability 9.x.
static CUBIN: &Image<[u8]> = &Image(*include_bytes!("../kernels/compiled/inferproof_sm90.cubin"));
/// For all others; the driver translates it, once for each of its versions if its cache is on.
const PTX: &str = include_str!("../kernels/compiled/inferproof_compute75.ptx");
/// Memory is asked for in multiples of this, so that more of it fits again.
const GRANULE: usize = 512;

/// A CUDA device. All calls go to one stream.
///
/// Memory that is given back is wiped and kept for the next buffer of its size; the driver gets it back when it has no more, or when this is dropped.
/// Calls of several threads wait for each other, and for what one of them waits for: a device is for one proof at a time.
/// An error of a kernel shows at a later call: `CUDA_LAUNCH_BLOCKING=1` makes it show at its own. After an error that spoils what the device holds, all calls
/// return it.
pub struct Cuda {
    api: Api,
    name: String,
    device: CUdevice,
    context: CUcontext,
    module: CUmodule,
    stream: CUstream,
    /// Most shared memory that a block may have if a kernel asks for it.
    most_shared: c_int,
    is_translated: bool,
    state: Mutex<State>,
}

// SAFETY: what the pointers name is the driver's, which any thread may call; a call makes the context the thread's. What changes is in the mutex.
unsafe impl Send for Cuda {}
// SAFETY: as above.
unsafe impl Sync for Cuda {}

#[derive(Default)]
struct State {
    failed: Option<DeviceError>,
    /// The last kernel that was started.
    last: &'static str,
    kernels: HashMap<&'static str, Kernel>,
    staging: Option<Staging>,
    /// Memory that no buffer has, by size, and how much that is.
    spare: HashMap<usize, Vec<CUdeviceptr>>,
    spare_bytes: usize,
}

#[derive(Clone)]
struct Kernel {
    function: CUfunction,
    parameters: Arc<[usize]>,
    /// Most dynamic shared memory that it may be launched with.
    shared: u32,
}

impl std::fmt::Debug for Cuda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cuda({})", self.name)
    }
}

fn unavailable(reason: impl Into<String>) -> DeviceError {
    DeviceError::Unavailable(reason.into())
}

impl Cuda {
    /// The device of a number, counted from 0 as the driver does.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] if there is no driver, no such device, or one that the kernels are not for.
    pub fn open(ordinal: usize) -> Result<Self, DeviceError> {
        // SAFETY: running the initialisers of the driver's library is what is asked for.
        if !unsafe { sys::is_culib_present() } {
            return Err(unavailable("there is no libcuda, which the driver installs"));
        }
        // SAFETY: the library is present.
        let api = unsafe { Api::load() }.map_err(|name| unavailable(format!("the driver has no {name}: too old")))?;
        let Found { device, name, is_hopper, most_shared } = find(&api, ordinal)?;
        let mut cuda = Self {
            api,
            name,
            device,
            context: ptr::null_mut(),
            module: ptr::null_mut(),
            stream: ptr::null_mut(),
            most_shared,
            is_translated: false,
            state: Mutex::default(),
        };
        cuda.start(is_hopper).map_err(|code| unavailable(format!("{}: {}", cuda.name, cuda.api.text(code))))?;
        Ok(cuda)
    }

    /// Whether the driver translated the kernels, as there is no machine code for the device: at the first start that takes it some seconds.
    #[must_use]
    pub const fn is_translated(&self) -> bool {
        self.is_translated
    }

    /// Makes what needs a context.
    fn start(&mut self, is_hopper: bool) -> Result<(), Code> {
        let api = &self.api;
        // SAFETY: the device exists, and the context is given back when `self` is dropped.
        unsafe { (api.cuDevicePrimaryCtxRetain)(&raw mut self.context, self.device) }.ok()?;
        self.enter()?;
        self.is_translated = !is_hopper;
        if is_hopper {
            // SAFETY: an aligned image of machine code, whose header has its size.
            match unsafe { (api.cuModuleLoadData)(&raw mut self.module, CUBIN.0.as_ptr().cast()) }.ok() {
                Err(Code::NO_BINARY) => self.is_translated = true,
                loaded => loaded?,
            }
        }
        if self.is_translated {
            let text = CString::new(PTX).expect("no zero byte in a text");
            // SAFETY: a text that ends with a zero byte.
            unsafe { (api.cuModuleLoadData)(&raw mut self.module, text.as_ptr().cast()) }.ok()?;
        }
        // SAFETY: a context is current.
        unsafe { (api.cuStreamCreate)(&raw mut self.stream, CUstream_flags::CU_STREAM_NON_BLOCKING as u32) }.ok()
    }

    /// Makes the context the calling thread's.
    fn enter(&self) -> Result<(), Code> {
        // SAFETY: the context lives as long as `self`.
        unsafe { (self.api.cuCtxSetCurrent)(self.context) }.ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `f` with the context current, unless the device has failed; a second time if there was too little memory while some was spare.
    fn with<T>(&self, what: &'static str, mut f: impl FnMut(&mut State) -> Result<T, Code>) -> Result<T, DeviceError> {
        let mut state = self.state();
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        let mut result = self.enter().and_then(|()| f(&mut state));
        if result.as_ref().err() == Some(&Code::OUT_OF_MEMORY) && state.spare_bytes > 0 {
            result = self.release_spare(&mut state).and_then(|()| f(&mut state));
        }
        result.map_err(|code| self.error(&mut state, what, code))
    }

    fn error(&self, state: &mut State, what: &'static str, code: Code) -> DeviceError {
        if code == Code::OUT_OF_MEMORY {
            return DeviceError::OutOfMemory { needed: 0 };
        }
        let mut reason = self.api.text(code);
        if !code.is_harmless() && !state.last.is_empty() {
            reason += &format!(" (the last kernel started was {})", state.last);
        }
        let error = DeviceError::Failed { what, reason };
        if !code.is_harmless() {
            state.failed = Some(error.clone());
        }
        error
    }

    fn wait(&self) -> Result<(), Code> {
        // SAFETY: the stream lives as long as `self`.
        unsafe { (self.api.cuStreamSynchronize)(self.stream) }.ok()
    }

    /// Gives the driver what no buffer has, once it is wiped.
    fn release_spare(&self, state: &mut State) -> Result<(), Code> {
        self.wait()?;
        state.spare_bytes = 0;
        for address in std::mem::take(&mut state.spare).into_values().flatten() {
            // SAFETY: allocated, not given back, and used by nothing that still runs.
            unsafe { (self.api.cuMemFree_v2)(address) }.ok()?;
        }
        Ok(())
    }

    /// Writes zeros, in the stream's order.
    ///
    /// # Safety
    /// As many bytes from `at` on are allocated.
    unsafe fn clear_async(&self, at: Address, bytes: usize) -> Result<(), Code> {
        // SAFETY: the address is by this function's own contract, the stream lives as long as `self`.
        unsafe { (self.api.cuMemsetD8Async)(at.0, 0, bytes, self.stream) }.ok()
    }

    fn with_staging(
        &self,
        what: &'static str,
        mut f: impl FnMut(&mut Staging) -> Result<(), Code>,
    ) -> Result<(), DeviceError> {
        self.with(what, |state| {
            if state.staging.is_none() {
                state.staging = Some(Staging::new(&self.api)?);
            }
            state.staging.as_mut().map_or(Ok(()), &mut f)
        })
    }

    /// A kernel of the module.
    fn kernel(&self, name: &'static str) -> Result<Kernel, DeviceError> {
        self.with(name, |state| {
            if let Some(kernel) = state.kernels.get(name) {
                return Ok(kernel.clone());
            }
            let kernel = self.find_kernel(name)?;
            state.kernels.insert(name, kernel.clone());
            Ok(kernel)
        })
    }

    fn find_kernel(&self, name: &'static str) -> Result<Kernel, Code> {
        let api = &self.api;
        let text = CString::new(name).expect("a kernel's name");
        let (mut function, mut own) = (ptr::null_mut(), 0);
        // SAFETY: the module is loaded; the name ends with a zero byte.
        unsafe { (api.cuModuleGetFunction)(&raw mut function, self.module, text.as_ptr()) }.ok()?;
        let shared = CUfunction_attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES;
        // SAFETY: the function exists. So below.
        unsafe { (api.cuFuncGetAttribute)(&raw mut own, shared, function) }.ok()?;
        let dynamic = self.most_shared - own;
        if self.most_shared > SHARED {
            let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: as above. It is a bound alone: a launch takes what it asks for.
            unsafe { (api.cuFuncSetAttribute)(function, most, dynamic) }.ok()?;
        }
        // SAFETY: as above; the module's context is current.
        let parameters = unsafe { api.parameters(function) }.into();
        Ok(Kernel { function, parameters, shared: u32::try_from(dynamic).unwrap_or(0) })
    }
}

// SAFETY: the driver's allocations are apart from each other, at multiples of 256 bytes; what is spare is taken once. The kernels are the ones of `kernels/`. All
// calls go to one stream, which has their order. After an error that spoils what the device holds there is nothing but errors.
unsafe impl Device for Cuda {
    fn name(&self) -> &str {
        &self.name
    }

    fn memory(&self) -> Result<[usize; 2], DeviceError> {
        self.with("a query of memory", |state| {
            let [mut free, mut all] = [0; 2];
            // SAFETY: a context is current: `with` sees to that, here and below.
            unsafe { (self.api.cuMemGetInfo_v2)(&raw mut free, &raw mut all) }.ok()?;
            Ok([free + state.spare_bytes, all])
        })
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        let none = DeviceError::OutOfMemory { needed: bytes };
        let size = bytes.checked_next_multiple_of(GRANULE).ok_or(none.clone())?;
        let allocated = self.with("an allocation", |state| {
            if let Some(address) = state.spare.get_mut(&size).and_then(Vec::pop) {
                state.spare_bytes -= size;
                return Ok(address);
            }
            let mut address = 0;
            // SAFETY: as above.
            unsafe { (self.api.cuMemAlloc_v2)(&raw mut address, size) }.ok().map(|()| address)
        });
        match allocated {
            Err(DeviceError::OutOfMemory { .. }) => Err(none),
            result => result.map(Address),
        }
    }

    unsafe fn free(&self, address: Address, bytes: usize) {
        let size = bytes.next_multiple_of(GRANULE);
        // An error is kept for the next call.
        let _ = self.with("a wipe", |state| {
            // SAFETY: `allocate` took as much for that many bytes, and it was not given back since, by this method's contract.
            unsafe { self.clear_async(address, size) }?;
            state.spare.entry(size).or_default().push(address.0);
            state.spare_bytes += size;
            Ok(())
        });
    }

    unsafe fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), DeviceError> {
        self.with_staging("a copy to the device", |staging| {
            // SAFETY: by this method's own contract.
            unsafe { staging.upload(&self.api, self.stream, to.0, bytes) }
        })
    }

    unsafe fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.with_staging("a copy from the device", |staging| {
            // SAFETY: by this method's own contract.
            unsafe { staging.download(&self.api, self.stream, from.0, bytes) }
        })
    }

    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
        // SAFETY: the addresses are by this method's own contract, the stream lives as long as `self`.
        let copy = || unsafe { (self.api.cuMemcpyDtoDAsync_v2)(to.0, from.0, bytes, self.stream) };
        self.with("a copy on the device", |_| copy().ok())
    }

    unsafe fn clear(&self, at: Address, bytes: usize) -> Result<(), DeviceError> {
        // SAFETY: by this method's own contract.
        self.with("a clearing", |_| unsafe { self.clear_async(at, bytes) })
    }

    unsafe fn launch(&self, name: &'static str, launch: Launch, arguments: &[Argument]) -> Result<(), DeviceError> {
        let failed = |reason: String| DeviceError::Failed { what: name, reason };
        let kernel = self.kernel(name)?;
        let got: Vec<usize> = arguments.iter().map(|argument| argument.bytes()).collect();
        if *kernel.parameters != *got {
            return Err(failed(format!("arguments of {got:?} bytes, {:?} are wanted", kernel.parameters)));
        }
        if launch.shared > kernel.shared {
            return Err(failed(format!("{} bytes of shared memory, {} may be had", launch.shared, kernel.shared)));
        }
        let mut words: Vec<u64> = arguments.iter().map(|argument| argument.word()).collect();
        let mut pointers: Vec<*mut c_void> = words.iter_mut().map(|word| ptr::from_mut(word).cast()).collect();
        let Launch { grid: [x, y, z], block, shared } = launch;
        self.with(name, |state| {
            let (function, arguments, extra) = (kernel.function, pointers.as_mut_ptr(), ptr::null_mut());
            // SAFETY: the driver copies the arguments within the call, and their sizes are those that it told. Addresses are what this method's contract says.
            unsafe { (self.api.cuLaunchKernel)(function, x, y, z, block, 1, 1, shared, self.stream, arguments, extra) }
                .ok()?;
            state.last = name;
            Ok(())
        })
    }

    fn synchronise(&self) -> Result<(), DeviceError> {
        self.with("a wait", |_| self.wait())
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        if self.context.is_null() {
            return;
        }
        // No error is of use here: what has failed gives its memory back with its context.
        let _ = self.enter();
        let mut state = std::mem::take(self.state.get_mut().unwrap_or_else(PoisonError::into_inner));
        if state.failed.is_none() {
            let _ = self.release_spare(&mut state);
        }
        if let Some(staging) = state.staging {
            staging.close(&self.api);
        }
        // SAFETY: null where it was never made; every buffer holds `self`, so there is none.
        unsafe {
            if !self.stream.is_null() {
                let _ = (self.api.cuStreamDestroy_v2)(self.stream);
            }
            if !self.module.is_null() {
                let _ = (self.api.cuModuleUnload)(self.module);
            }
            let _ = (self.api.cuDevicePrimaryCtxRelease_v2)(self.device);
        }
    }
}
