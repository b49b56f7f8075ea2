//! Page-locked memory through which all copies between host and device go.
//!
//! From there a device copies at the full speed of the bus and while the host works on; and what a caller gave may change as soon as the call is over.

use super::api::{Api, Code};
use cudarc::driver::sys::{CUdeviceptr, CUevent, CUevent_flags, CUstream};
use std::ptr;

/// Bytes of a half.
const HALF: usize = 16 << 20;

/// Two halves: while the device works on one, the host works on the other.
pub(super) struct Staging {
    memory: *mut u8,
    /// What `memory` points at if there is no page-locked memory: slower, otherwise the same.
    pageable: Vec<u8>,
    /// For each half, when the device has read or written what it was last told to.
    events: [CUevent; 2],
    /// The half into which uploads go, and how much of it they have taken.
    half: usize,
    used: usize,
}

impl Staging {
    pub(super) fn new(api: &Api) -> Result<Self, Code> {
        let mut staging =
            Self { memory: ptr::null_mut(), pageable: Vec::new(), events: [ptr::null_mut(); 2], half: 0, used: 0 };
        match staging.open(api) {
            Ok(()) => Ok(staging),
            Err(code) => {
                staging.close(api);
                Err(code)
            }
        }
    }

    fn open(&mut self, api: &Api) -> Result<(), Code> {
        let mut memory = ptr::null_mut();
        // SAFETY: a context is current. So it is in all methods: `Cuda::with` calls them.
        if unsafe { (api.cuMemHostAlloc)(&raw mut memory, 2 * HALF, 0) }.ok().is_ok() {
            self.memory = memory.cast();
        } else {
            self.pageable = vec![0; 2 * HALF];
            self.memory = self.pageable.as_mut_ptr();
        }
        for event in &mut self.events {
            // SAFETY: as above.
            unsafe { (api.cuEventCreate)(event, CUevent_flags::CU_EVENT_DISABLE_TIMING as u32) }.ok()?;
        }
        Ok(())
    }

    /// Wipes the memory and gives it back. The device has done all that it was told to, or has failed.
    pub(super) fn close(self, api: &Api) {
        // SAFETY: nothing refers to the events and the memory any more; null ones were never made.
        unsafe {
            for event in self.events.into_iter().filter(|event| !event.is_null()) {
                let _ = (api.cuEventDestroy_v2)(event);
            }
            ptr::write_bytes(self.memory, 0, 2 * HALF);
            std::hint::black_box(self.memory);
            if self.pageable.is_empty() {
                let _ = (api.cuMemFreeHost)(self.memory.cast());
            }
        }
    }

    /// Where byte `at` of a half is.
    fn place(&self, half: usize, at: usize) -> *mut u8 {
        // SAFETY: callers stay within the two halves.
        unsafe { self.memory.add(half * HALF + at) }
    }

    /// Marks the end of what the device was told to do with a half.
    fn record(&self, api: &Api, half: usize, stream: CUstream) -> Result<(), Code> {
        // SAFETY: event and stream exist.
        unsafe { (api.cuEventRecord)(self.events[half], stream) }.ok()
    }

    /// Waits for the last mark, if there is one.
    fn wait(&self, api: &Api, half: usize) -> Result<(), Code> {
        // SAFETY: the event exists.
        unsafe { (api.cuEventSynchronize)(self.events[half]) }.ok()
    }

    /// Copies `bytes` to the device, in its own time.
    ///
    /// # Safety
    /// As many bytes from `to` on are allocated.
    pub(super) unsafe fn upload(
        &mut self,
        api: &Api,
        stream: CUstream,
        to: CUdeviceptr,
        bytes: &[u8],
    ) -> Result<(), Code> {
        let mut done = 0;
        while done < bytes.len() {
            if self.used == HALF {
                self.record(api, self.half, stream)?;
                self.half = 1 - self.half;
                self.wait(api, self.half)?;
                self.used = 0;
            }
            let count = (HALF - self.used).min(bytes.len() - done);
            let from = self.place(self.half, self.used);
            // SAFETY: `count` bytes are left in both. The device does not read that part of the half: it was waited for when the half was begun.
            unsafe { ptr::copy_nonoverlapping(bytes[done..].as_ptr(), from, count) };
            // SAFETY: the address is by this function's own contract; the device reads the half before it is written again.
            unsafe { (api.cuMemcpyHtoDAsync_v2)(to + done as u64, from.cast(), count, stream) }.ok()?;
            self.used += count;
            done += count;
        }
        Ok(())
    }

    /// Copies from the device, after all that it was told to do.
    ///
    /// # Safety
    /// As many bytes from `from` on are allocated.
    pub(super) unsafe fn download(
        &mut self,
        api: &Api,
        stream: CUstream,
        from: CUdeviceptr,
        bytes: &mut [u8],
    ) -> Result<(), Code> {
        // SAFETY: by this function's own contract.
        let result = unsafe { self.download_pieces(api, stream, from, bytes) };
        // Whatever came of it, nothing is under way in either half.
        // SAFETY: the stream exists.
        let waited = unsafe { (api.cuStreamSynchronize)(stream) }.ok();
        self.used = 0;
        result.and(waited)
    }

    /// Tells the device to copy a piece while the one before it is copied out. A half is written after all uploads from it: that is the stream's order.
    ///
    /// # Safety
    /// As [`Self::download`].
    unsafe fn download_pieces(
        &self,
        api: &Api,
        stream: CUstream,
        from: CUdeviceptr,
        bytes: &mut [u8],
    ) -> Result<(), Code> {
        let pieces = bytes.len().div_ceil(HALF);
        for piece in 0..=pieces {
            if piece < pieces {
                let count = HALF.min(bytes.len() - piece * HALF);
                let (to, from) = (self.place(piece % 2, 0), from + (piece * HALF) as u64);
                // SAFETY: the address is by this function's own contract, the half has room, and what it held is copied out.
                unsafe { (api.cuMemcpyDtoHAsync_v2)(to.cast(), from, count, stream) }.ok()?;
                self.record(api, piece % 2, stream)?;
            }
            if let Some(piece) = piece.checked_sub(1) {
                self.wait(api, piece % 2)?;
                let out = &mut bytes[piece * HALF..];
                let count = HALF.min(out.len());
                // SAFETY: the device has written `count` bytes, and there is room for them.
                unsafe { ptr::copy_nonoverlapping(self.place(piece % 2, 0), out.as_mut_ptr(), count) };
            }
        }
        Ok(())
    }
}
