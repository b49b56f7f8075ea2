//! The driver's functions.
//!
//! cudarc finds the library, has the types, and checks the signatures below. Its own functions are not called: they panic where a driver lacks one, and
//! take every result for one that CUDA 12.2 has, which is undefined for an error that a later driver knows.

use cudarc::driver::sys::{self, CUcontext, CUdevice, CUdevice_attribute, CUdeviceptr};
use cudarc::driver::sys::{CUevent, CUfunction, CUfunction_attribute, CUmodule, CUresult, CUstream};
use std::ffi::{CStr, c_char, c_int, c_uchar, c_uint, c_void};

/// What a function of the driver returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Code(u32);

impl Code {
    pub(super) const OUT_OF_MEMORY: Self = Self(CUresult::CUDA_ERROR_OUT_OF_MEMORY as u32);
    /// Machine code that is for no such device.
    pub(super) const NO_BINARY: Self = Self(CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU as u32);
    /// Errors of a call that did nothing; after any other, what the device holds is not to be trusted.
    const HARMLESS: [Self; 4] = [
        Self::OUT_OF_MEMORY,
        Self(CUresult::CUDA_ERROR_INVALID_VALUE as u32),
        Self(CUresult::CUDA_ERROR_NOT_FOUND as u32),
        Self(CUresult::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES as u32),
    ];

    pub(super) fn ok(self) -> Result<(), Self> {
        if self.0 == CUresult::CUDA_SUCCESS as u32 { Ok(()) } else { Err(self) }
    }

    pub(super) fn is_harmless(self) -> bool {
        Self::HARMLESS.contains(&self)
    }
}

type ErrorString = unsafe extern "C" fn(Code, *mut *const c_char) -> Code;
type ParameterInfo = unsafe extern "C" fn(CUfunction, usize, *mut usize, *mut usize) -> Code;

/// Symbol `name` of the library, of type `T`.
///
/// # Safety
/// The library is present, and the symbol has the type.
unsafe fn symbol<T: Copy>(name: &'static str) -> Result<T, &'static str> {
    // SAFETY: by this function's own contract. The library stays loaded for ever.
    unsafe { sys::culib().get::<T>(name.as_bytes()).map(|symbol| *symbol).map_err(|_| name) }
}

macro_rules! api {
    ($($name:ident($($type:ty),*);)*) => {
        #[expect(non_snake_case, reason = "the driver's names")]
        pub(super) struct Api {
            $(pub(super) $name: unsafe extern "C" fn($($type),*) -> Code,)*
            cuGetErrorString: ErrorString,
            /// Drivers of CUDA 12.4 and later have it.
            cuFuncGetParamInfo: ParameterInfo,
        }

        impl Api {
            /// The functions, or the name of one that the driver lacks.
            ///
            /// # Safety
            /// The library is present.
            pub(super) unsafe fn load() -> Result<Self, &'static str> {
                $(let _: unsafe fn($($type),*) -> CUresult = sys::$name;)*
                // SAFETY: by this function's own contract, and types as cudarc has them but for the result: it is 32 bits, and `Code` may be any.
                unsafe {
                    Ok(Self {
                        $($name: symbol(stringify!($name))?,)*
                        cuGetErrorString: symbol("cuGetErrorString")?,
                        cuFuncGetParamInfo: symbol("cuFuncGetParamInfo")?,
                    })
                }
            }
        }
    };
}

api! {
    cuInit(c_uint);
    cuDriverGetVersion(*mut c_int);
    cuDeviceGetCount(*mut c_int);
    cuDeviceGet(*mut CUdevice, c_int);
    cuDeviceGetName(*mut c_char, c_int, CUdevice);
    cuDeviceGetAttribute(*mut c_int, CUdevice_attribute, CUdevice);
    cuDevicePrimaryCtxRetain(*mut CUcontext, CUdevice);
    cuDevicePrimaryCtxRelease_v2(CUdevice);
    cuCtxSetCurrent(CUcontext);
    cuModuleLoadData(*mut CUmodule, *const c_void);
    cuModuleUnload(CUmodule);
    cuModuleGetFunction(*mut CUfunction, CUmodule, *const c_char);
    cuFuncGetAttribute(*mut c_int, CUfunction_attribute, CUfunction);
    cuFuncSetAttribute(CUfunction, CUfunction_attribute, c_int);
    cuLaunchKernel(
        CUfunction, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, CUstream, *mut *mut c_void, *mut *mut c_void
    );
    cuStreamCreate(*mut CUstream, c_uint);
    cuStreamSynchronize(CUstream);
    cuStreamDestroy_v2(CUstream);
    cuEventCreate(*mut CUevent, c_uint);
    cuEventRecord(CUevent, CUstream);
    cuEventSynchronize(CUevent);
    cuEventDestroy_v2(CUevent);
    cuMemGetInfo_v2(*mut usize, *mut usize);
    cuMemAlloc_v2(*mut CUdeviceptr, usize);
    cuMemFree_v2(CUdeviceptr);
    cuMemHostAlloc(*mut *mut c_void, usize, c_uint);
    cuMemFreeHost(*mut c_void);
    cuMemsetD8Async(CUdeviceptr, c_uchar, usize, CUstream);
    cuMemcpyHtoDAsync_v2(CUdeviceptr, *const c_void, usize, CUstream);
    cuMemcpyDtoHAsync_v2(*mut c_void, CUdeviceptr, usize, CUstream);
    cuMemcpyDtoDAsync_v2(CUdeviceptr, CUdeviceptr, usize, CUstream);
}

impl Api {
    /// What the driver says of an error.
    pub(super) fn text(&self, code: Code) -> String {
        let mut text = std::ptr::null();
        // SAFETY: it writes a string that lives as long as the library, or null for a code that it does not know.
        match unsafe { (self.cuGetErrorString)(code, &raw mut text) }.ok() {
            // SAFETY: as above.
            Ok(()) if !text.is_null() => unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned(),
            _ => format!("error {}", code.0),
        }
    }

    /// Sizes of a kernel's parameters.
    ///
    /// # Safety
    /// The function is one of a module that is loaded, and the context of the module is current.
    pub(super) unsafe fn parameters(&self, function: CUfunction) -> Vec<usize> {
        let info = self.cuFuncGetParamInfo;
        let mut sizes = Vec::new();
        let [mut offset, mut size] = [0; 2];
        // SAFETY: by this function's own contract; beyond the last parameter the driver returns an error.
        while unsafe { info(function, sizes.len(), &raw mut offset, &raw mut size) }.ok().is_ok() {
            sizes.push(size);
        }
        sizes
    }
}
