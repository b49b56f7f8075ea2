//! The functions and structures of ICICLE's C interface, version 3.
//!
//! As its headers `runtime.h`, `device.h`, `msm.h` and `ntt.h` had them in 2024 and 2025: one state of `ntt.h` has two members more in the middle of `NTTConfig`.
//! There the zeros after [`NttConfig`] are read, and mean what they should.

use super::error::{IcicleCode, IcicleError};
use ff::PrimeField;
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::offset_of;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// What a function of ICICLE returns: `eIcicleError`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Code(c_int);

impl Code {
    pub(super) fn ok(self) -> Result<(), IcicleCode> {
        IcicleCode::of(self.0).map_or(Ok(()), Err)
    }
}

/// A field element: an integer below the modulus, little-endian.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub(super) struct Scalar(pub(super) [u8; 32]);

impl Scalar {
    pub(super) fn canonical(element: impl PrimeField<Repr = [u8; 32]>) -> Self {
        Self(element.to_repr())
    }
}

/// The point `(x / z, y / z)`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Projective(pub(super) [Scalar; 3]);

/// `Device`.
#[repr(C)]
pub(super) struct Device {
    /// Ends with a zero byte.
    kind: [u8; 64],
    id: c_int,
}

impl Device {
    /// Nothing if ICICLE has no room for the type's name or the number.
    pub(super) fn new(kind: &str, number: u32) -> Option<Self> {
        let mut device = Self { kind: [0; 64], id: number.try_into().ok()? };
        // The last byte stays 0.
        device.kind[..63].get_mut(..kind.len())?.copy_from_slice(kind.as_bytes());
        Some(device)
    }
}

/// After a structure: what a library reads that has more members in it.
type Zeros = [u64; 16];

/// `MSMConfig`: sums of scalars in Montgomery form, which are here, over the same canonical points, which are on the device.
#[repr(C)]
pub(super) struct MsmConfig {
    stream: *mut c_void,
    precompute_factor: c_int,
    c: c_int,
    bitsize: c_int,
    batch_size: c_int,
    /// `are_bases_shared` in the first versions.
    are_points_shared_in_batch: bool,
    are_scalars_on_device: bool,
    are_scalars_montgomery_form: bool,
    are_points_on_device: bool,
    are_points_montgomery_form: bool,
    are_results_on_device: bool,
    is_async: bool,
    ext: *mut c_void,
    zeros: Zeros,
}

const _: () = assert!(offset_of!(MsmConfig, batch_size) == 20 && offset_of!(MsmConfig, is_async) == 30);
const _: () = assert!(offset_of!(MsmConfig, ext) == 32 && offset_of!(MsmConfig, zeros) == 40);

impl MsmConfig {
    pub(super) const fn new(batch_size: c_int) -> Self {
        Self {
            stream: ptr::null_mut(),
            precompute_factor: 1,
            c: 0,
            bitsize: 0,
            batch_size,
            are_points_shared_in_batch: true,
            are_scalars_on_device: false,
            are_scalars_montgomery_form: true,
            are_points_on_device: true,
            are_points_montgomery_form: false,
            are_results_on_device: false,
            is_async: false,
            ext: ptr::null_mut(),
            zeros: [0; 16],
        }
    }
}

/// `NTTConfig<scalar_t>`: one transform, in order, here.
#[repr(C)]
pub(super) struct NttConfig {
    stream: *mut c_void,
    coset_gen: Scalar,
    batch_size: c_int,
    columns_batch: bool,
    /// 0: from natural order to natural order.
    ordering: c_int,
    are_inputs_on_device: bool,
    are_outputs_on_device: bool,
    is_async: bool,
    ext: *mut c_void,
    zeros: Zeros,
}

const _: () = assert!(offset_of!(NttConfig, batch_size) == 40 && offset_of!(NttConfig, ordering) == 48);
const _: () = assert!(offset_of!(NttConfig, ext) == 56 && offset_of!(NttConfig, zeros) == 64);

impl NttConfig {
    pub(super) const fn new(coset_gen: Scalar) -> Self {
        Self {
            stream: ptr::null_mut(),
            coset_gen,
            batch_size: 1,
            columns_batch: false,
            ordering: 0,
            are_inputs_on_device: false,
            are_outputs_on_device: false,
            is_async: false,
            ext: ptr::null_mut(),
            zeros: [0; 16],
        }
    }
}

/// `NTTInitDomainConfig`.
#[repr(C)]
pub(super) struct NttInitDomainConfig {
    stream: *mut c_void,
    is_async: bool,
    ext: *mut c_void,
    zeros: Zeros,
}

impl NttInitDomainConfig {
    pub(super) const fn new() -> Self {
        Self { stream: ptr::null_mut(), is_async: false, ext: ptr::null_mut(), zeros: [0; 16] }
    }
}

macro_rules! api {
    ($($library:ident { $($name:ident($($type:ty),*);)* })*) => {
        /// Functions that may throw.
        pub(super) struct Api {
            $($(pub(super) $name: unsafe extern "C-unwind" fn($($type),*) -> Code,)*)*
        }

        impl Api {
            /// Loads the libraries in their order, for good: they keep state of threads. What one lacks the ones before it have, and all are visible to
            /// the libraries that ICICLE loads, which take its functions for theirs.
            pub(super) fn load(folder: &Path) -> Result<Self, IcicleError> {
                $(
                    let $library = format!("{DLL_PREFIX}{}{DLL_SUFFIX}", stringify!($library));
                    let path = folder.join(&$library);
                    // SAFETY: running the initialisers of ICICLE's libraries is what is asked for.
                    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) };
                    let failed = |error: libloading::Error| IcicleError::Library { path, reason: error.to_string() };
                    let library = library.map_err(failed)?;
                    // SAFETY: the types are those of the headers. The library stays loaded for ever.
                    $(let $name = unsafe { library.get(stringify!($name).as_bytes()) }
                        .map(|symbol| *symbol)
                        .map_err(|_| IcicleError::Function { library: $library.clone(), function: stringify!($name) })?;)*
                    std::mem::forget(library);
                )*
                Ok(Self { $($($name,)*)* })
            }
        }
    };
}

api! {
    icicle_device {
        icicle_load_backend(*const c_char, bool);
        icicle_load_backend_from_env_or_default();
        icicle_is_device_available(*const Device);
        icicle_set_device(*const Device);
        icicle_malloc(*mut *mut c_void, usize);
        icicle_free(*mut c_void);
        icicle_copy_to_device(*mut c_void, *const c_void, usize);
    }
    icicle_field_bn254 {
        bn254_ntt_init_domain(*const Scalar, *const NttInitDomainConfig);
        bn254_ntt(*const c_void, c_int, c_int, *const NttConfig, *mut c_void);
        bn254_ntt_release_domain();
    }
    icicle_curve_bn254 {
        bn254_msm(*const c_void, *const c_void, c_int, *const MsmConfig, *mut Projective);
    }
}

impl Api {
    /// Loads what drives devices, from a folder if it is there, else from where ICICLE looks for it. Whether a device can be used shows later: some need
    /// nothing to be loaded, and ICICLE says that all is well where there was nothing to load.
    pub(super) fn load_backend(&self, folder: &Path) {
        let path = CString::new(folder.as_os_str().as_bytes()).ok().filter(|_| folder.is_dir());
        let _ = match path {
            // SAFETY: the path ends with a zero byte.
            Some(path) => unsafe { (self.icicle_load_backend)(path.as_ptr(), true) },
            // SAFETY: it takes nothing.
            None => unsafe { (self.icicle_load_backend_from_env_or_default)() },
        };
    }
}
