//! What goes wrong with ICICLE.

use std::ffi::c_int;
use std::path::PathBuf;
use thiserror::Error;

/// ICICLE that is not there, is another, or has failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IcicleError {
    /// A library that cannot be loaded.
    #[error("ICICLE cannot be loaded from {}: {reason}", path.display())]
    Library {
        /// Its file.
        path: PathBuf,
        /// What the linker says.
        reason: String,
    },
    /// A library that lacks a function.
    #[error("ICICLE's {library} has no {function}: it is of another version than 3")]
    Function {
        /// The name of its file.
        library: String,
        /// The function's name.
        function: &'static str,
    },
    /// A device that cannot be used.
    #[error(
        "ICICLE has no device {device} ({code}); is there a backend for it, in `backend` of the libraries' folder or in `ICICLE_BACKEND_INSTALL_DIR`?"
    )]
    Device {
        /// Its type and number.
        device: String,
        /// What ICICLE says.
        code: IcicleCode,
    },
    /// A device that has too little memory for points.
    #[error("ICICLE's device has too little memory: {needed} bytes more were needed")]
    OutOfMemory {
        /// Bytes that were asked for.
        needed: usize,
    },
    /// A call that failed.
    #[error("ICICLE failed in {call}: {code}")]
    Failed {
        /// The function.
        call: &'static str,
        /// What it returned.
        code: IcicleCode,
    },
    /// Results that are not what they should be.
    #[error(
        "ICICLE gives other results than it should, in {what}: it is of another version than 3, or something else in this process uses its domain"
    )]
    Differs {
        /// What was computed.
        what: &'static str,
    },
}

/// ICICLE's errors (`eIcicleError`).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IcicleCode {
    /// 1.
    #[error("the device is invalid")]
    InvalidDevice,
    /// 2.
    #[error("out of memory")]
    OutOfMemory,
    /// 3.
    #[error("a pointer is invalid")]
    InvalidPointer,
    /// 4.
    #[error("an allocation failed")]
    AllocationFailed,
    /// 5.
    #[error("memory could not be given back")]
    DeallocationFailed,
    /// 6.
    #[error("a copy failed")]
    CopyFailed,
    /// 7.
    #[error("a synchronisation failed")]
    SynchronizationFailed,
    /// 8.
    #[error("a stream could not be created")]
    StreamCreationFailed,
    /// 9.
    #[error("a stream could not be destroyed")]
    StreamDestructionFailed,
    /// 10.
    #[error("the device does not implement it")]
    ApiNotImplemented,
    /// 11.
    #[error("an argument is invalid")]
    InvalidArgument,
    /// 12.
    #[error("the backend could not be loaded")]
    BackendLoadFailed,
    /// 13.
    #[error("the licence is missing or invalid")]
    LicenseCheckError,
    /// 14.
    #[error("an error that it does not know")]
    UnknownError,
    /// Any other.
    #[error("error {0}")]
    Other(i32),
}

impl IcicleCode {
    /// Nothing if `code` is that of success.
    pub(super) const fn of(code: c_int) -> Option<Self> {
        Some(match code {
            0 => return None,
            1 => Self::InvalidDevice,
            2 => Self::OutOfMemory,
            3 => Self::InvalidPointer,
            4 => Self::AllocationFailed,
            5 => Self::DeallocationFailed,
            6 => Self::CopyFailed,
            7 => Self::SynchronizationFailed,
            8 => Self::StreamCreationFailed,
            9 => Self::StreamDestructionFailed,
            10 => Self::ApiNotImplemented,
            11 => Self::InvalidArgument,
            12 => Self::BackendLoadFailed,
            13 => Self::LicenseCheckError,
            14 => Self::UnknownError,
            other => Self::Other(other),
        })
    }
}
