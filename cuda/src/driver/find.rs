//! Which device, and whether the kernels are for it.

use super::api::{Api, Code};
use super::unavailable;
use crate::device::DeviceError;
use cudarc::driver::sys::{CUdevice, CUdevice_attribute};
use std::ffi::{CStr, c_int};

/// The first compute capability that the PTX is for.
const LEAST_CAPABILITY: [c_int; 2] = [7, 5];
/// The first version of CUDA whose drivers say what parameters a kernel has; they load what NVRTC 12.2 makes.
const LEAST_VERSION: c_int = 12_040;
/// Shared memory that every block may have.
pub(super) const SHARED: c_int = 48 << 10;

pub(super) struct Found {
    pub(super) device: CUdevice,
    pub(super) name: String,
    /// Whether the machine code is for it.
    pub(super) is_hopper: bool,
    /// Most shared memory that a block may have if a kernel asks for it.
    pub(super) most_shared: c_int,
}

/// The device of a number.
pub(super) fn find(api: &Api, ordinal: usize) -> Result<Found, DeviceError> {
    let stopped = |code| unavailable(format!("the driver does not start: {}", api.text(code)));
    let [mut version, mut count, mut device] = [0; 3];
    // SAFETY: each function writes the number that it is for.
    unsafe {
        (api.cuInit)(0).ok().map_err(stopped)?;
        (api.cuDriverGetVersion)(&raw mut version).ok().map_err(stopped)?;
        (api.cuDeviceGetCount)(&raw mut count).ok().map_err(stopped)?;
    }
    if version < LEAST_VERSION {
        let [major, minor] = [version / 1000, version % 1000 / 10];
        return Err(unavailable(format!("the driver is for CUDA {major}.{minor}; one for 12.4 or later is needed")));
    }
    let Some(number) = c_int::try_from(ordinal).ok().filter(|number| *number < count) else {
        return Err(unavailable(format!("there is no device {ordinal}; the driver has {count}")));
    };
    let mut name = [0_u8; 256];
    // SAFETY: the number is below the count, and the name has the room that is said.
    unsafe {
        (api.cuDeviceGet)(&raw mut device, number).ok().map_err(stopped)?;
        (api.cuDeviceGetName)(name.as_mut_ptr().cast(), name.len() as c_int, device).ok().map_err(stopped)?;
    }
    let name = CStr::from_bytes_until_nul(&name).map_or("a device".into(), CStr::to_string_lossy).into_owned();
    let capability = capability(api, device).map_err(stopped)?;
    if capability < LEAST_CAPABILITY {
        let [major, minor] = capability;
        return Err(unavailable(format!("{name} has compute capability {major}.{minor}; 7.5 or later is needed")));
    }
    let optin = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
    let most_shared = attribute(api, device, optin).map_err(stopped)?.max(SHARED);
    Ok(Found { device, name, is_hopper: capability[0] == 9, most_shared })
}

fn capability(api: &Api, device: CUdevice) -> Result<[c_int; 2], Code> {
    let major = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
    let minor = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR;
    Ok([attribute(api, device, major)?, attribute(api, device, minor)?])
}

fn attribute(api: &Api, device: CUdevice, which: CUdevice_attribute) -> Result<c_int, Code> {
    let mut value = 0;
    // SAFETY: the device exists.
    unsafe { (api.cuDeviceGetAttribute)(&raw mut value, which, device) }.ok().map(|()| value)
}
