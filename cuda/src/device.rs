//! Where kernels run: the seam between what is launched and what launches it.

use std::marker::PhantomData;
use std::sync::Arc;
use thiserror::Error;

/// What went wrong on a device.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is no driver, or none that this program can use.
    #[error("no CUDA device can be used: {0}")]
    Unavailable(String),
    /// The device has too little memory left.
    #[error("the device has too little memory: {needed} bytes more were needed")]
    OutOfMemory {
        /// Bytes that were asked for.
        needed: usize,
    },
    /// A kernel or copy failed; what the device holds is not to be used any more.
    #[error("the device failed in {what}: {reason}")]
    Failed {
        /// The kernel or call.
        what: &'static str,
        /// What the driver says.
        reason: String,
    },
}

/// A place in a device's memory: a number that anybody can make, since it takes `unsafe` to have a device follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub u64);

/// An argument of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A pointer.
    Address(Address),
    /// A `u32`.
    U32(u32),
    /// A `u64`.
    U64(u64),
}

impl Argument {
    /// Bytes of the parameter.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::U32(_) => 4,
            Self::Address(_) | Self::U64(_) => 8,
        }
    }

    /// The value in a word that a pointer to the parameter may point at: a `u32` stands in the lower half, as devices and their hosts are little-endian.
    pub(crate) const fn word(self) -> u64 {
        match self {
            Self::Address(Address(value)) | Self::U64(value) => value,
            Self::U32(value) => value as u64,
        }
    }
}

/// How many threads run a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks, in three dimensions.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: u32,
    /// Bytes of dynamic shared memory of a block.
    pub shared: u32,
}

impl Launch {
    /// At least `threads` threads, in blocks of `block`.
    #[must_use]
    pub const fn threads(threads: usize, block: u32) -> Self {
        Self { grid: [threads.div_ceil(block as usize) as u32, 1, 1], block, shared: 0 }
    }
}

/// Runs kernels by name. Calls take effect in the order in which they are made.
///
/// An address is valid from [`Self::allocate`] to [`Self::free`]. What follows addresses is unsafe, as nothing checks them; [`Buffer`] and the functions of
/// this crate are safe, and have all that a proof needs.
///
/// ```compile_fail,E0133
/// # use inferproof_cuda::{Argument, Device, DeviceError, Launch};
/// fn launch(device: &dyn Device, arguments: &[Argument]) -> Result<(), DeviceError> {
///     device.launch("ntt_pass", Launch::threads(1, 32), arguments)
/// }
/// ```
///
/// # Safety
/// The trait is unsafe as this crate's safe functions rely on a device's work, not only on its results: kernels follow addresses that were uploaded before, and
/// memory is as large as kernels have counted. So an implementation promises, for callers that keep to what the methods ask of them:
/// * [`Self::allocate`] returns memory that begins at a multiple of 16 bytes and is part of no other allocation until it is given back;
/// * a call does what its method says, to the memory that it names and no other, or returns an error;
/// * what it does is seen by all calls after it, those of other threads too.
pub unsafe trait Device: Send + Sync {
    /// What it is, for people.
    fn name(&self) -> &str;
    /// Bytes that are free, and bytes in all.
    ///
    /// # Errors
    /// [`DeviceError::Failed`]; so have the methods below.
    fn memory(&self) -> Result<[usize; 2], DeviceError>;
    /// Memory that holds anything.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`].
    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError>;
    /// Overwrites memory with zeros and gives it back. A device that is lost has no memory to give back, so there is no error.
    ///
    /// # Safety
    /// [`Self::allocate`] of this device returned the address for that many bytes, and they were not given back since. No call after this one uses them.
    unsafe fn free(&self, address: Address, bytes: usize);
    /// Copies to the device.
    ///
    /// # Errors
    /// As [`Self::memory`].
    ///
    /// # Safety
    /// As many bytes from `to` on are within one allocation of this device that was not given back, and no other thread uses them meanwhile.
    unsafe fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), DeviceError>;
    /// Copies from the device, after all that was launched before.
    ///
    /// # Errors
    /// As [`Self::memory`].
    ///
    /// # Safety
    /// As many bytes from `from` on are within one allocation of this device that was not given back, and no other thread writes them meanwhile.
    unsafe fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError>;
    /// Copies on the device.
    ///
    /// # Errors
    /// As [`Self::memory`].
    ///
    /// # Safety
    /// As [`Self::download`] for `from` and as [`Self::upload`] for `to`, of the same device; the two do not overlap.
    unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError>;
    /// Writes zeros.
    ///
    /// # Errors
    /// As [`Self::memory`].
    ///
    /// # Safety
    /// As [`Self::upload`].
    unsafe fn clear(&self, at: Address, bytes: usize) -> Result<(), DeviceError>;
    /// Starts a kernel.
    ///
    /// # Errors
    /// As [`Self::memory`]. A kernel that is not there, arguments of other sizes than its parameters, and more threads or shared memory than it may have are
    /// errors too: nothing has run then.
    ///
    /// # Safety
    /// What a kernel takes stands with it in `kernels/`.
    /// * Its parameters are these, in this order. It is made for blocks of as many threads and as much shared memory.
    /// * Every address that it follows, an argument or one in memory, is within an allocation of this device that was not given back, and aligned for what is
    ///   there. From there on the allocation is as long as the kernel reads or writes with these counts. One that it does not follow may be any, 0 for one.
    /// * What it computes addresses from was written before. All else that it reads may be anything.
    /// * No other thread uses what it writes meanwhile, or writes what it reads.
    unsafe fn launch(&self, kernel: &'static str, launch: Launch, arguments: &[Argument]) -> Result<(), DeviceError>;
    /// Waits for all that was launched.
    ///
    /// # Errors
    /// As [`Self::memory`].
    fn synchronise(&self) -> Result<(), DeviceError>;
}

/// Sees to it that buffers are on a device: an address means nothing to another.
pub(crate) fn on_one_device<'a, T: 'a>(device: &Arc<dyn Device>, buffers: impl IntoIterator<Item = &'a Buffer<T>>) {
    let mut buffers = buffers.into_iter();
    assert!(buffers.all(|buffer| Arc::ptr_eq(&buffer.device, device)), "buffers on one device");
}

/// A type that the device has in the same bytes.
///
/// # Safety
/// The type has a size and no padding, its alignment divides 16, and every pattern of bytes is a value of it.
pub unsafe trait Plain: Copy + Default {}

// SAFETY: integers.
unsafe impl Plain for u32 {}
// SAFETY: integers.
unsafe impl Plain for u64 {}

/// `count` elements on a device; wiped and given back when dropped.
pub struct Buffer<T> {
    device: Arc<dyn Device>,
    address: Address,
    count: usize,
    elements: PhantomData<T>,
}

impl<T> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} elements)", self.count)
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        if self.count > 0 {
            // SAFETY: `new` allocated as many bytes, and nobody has the buffer any more.
            unsafe { self.device.free(self.address, self.count * size_of::<T>()) };
        }
    }
}

impl<T: Plain> Buffer<T> {
    /// Room for `count` elements, which hold anything.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`].
    pub fn new(device: &Arc<dyn Device>, count: usize) -> Result<Self, DeviceError> {
        let bytes = count.checked_mul(size_of::<T>()).ok_or(DeviceError::OutOfMemory { needed: usize::MAX })?;
        let address = if count == 0 { Address(0) } else { device.allocate(bytes)? };
        Ok(Self { device: device.clone(), address, count, elements: PhantomData })
    }

    /// `count` elements of zero bytes.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn zeros(device: &Arc<dyn Device>, count: usize) -> Result<Self, DeviceError> {
        let buffer = Self::new(device, count)?;
        if count > 0 {
            // SAFETY: all of the buffer, which nobody else has yet.
            unsafe { device.clear(buffer.address, count * size_of::<T>()) }?;
        }
        Ok(buffer)
    }

    /// A copy of `elements`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_slice(device: &Arc<dyn Device>, elements: &[T]) -> Result<Self, DeviceError> {
        let mut buffer = Self::new(device, elements.len())?;
        buffer.write(0, elements)?;
        Ok(buffer)
    }

    /// Overwrites the elements from `start` on.
    ///
    /// # Errors
    /// [`DeviceError::Failed`].
    ///
    /// # Panics
    /// If there are fewer elements. So do the methods below.
    pub fn write(&mut self, start: usize, elements: &[T]) -> Result<(), DeviceError> {
        let to = self.at(start, elements.len());
        if elements.is_empty() {
            return Ok(());
        }
        // SAFETY: `at` asserts that they are within the buffer, which is borrowed mutably.
        unsafe { self.device.upload(to, bytes_of(elements)) }
    }

    /// The elements, after all that was launched before.
    ///
    /// # Errors
    /// [`DeviceError::Failed`].
    pub fn to_vec(&self) -> Result<Vec<T>, DeviceError> {
        self.read(0, self.count)
    }

    /// Some elements.
    ///
    /// # Errors
    /// [`DeviceError::Failed`].
    pub fn read(&self, start: usize, count: usize) -> Result<Vec<T>, DeviceError> {
        let from = self.at(start, count);
        let mut elements = vec![T::default(); count];
        if count > 0 {
            // SAFETY: `at` asserts that they are within the buffer, which is borrowed, so that nobody writes it.
            unsafe { self.device.download(from, bytes_of_mut(&mut elements)) }?;
        }
        Ok(elements)
    }

    /// Copies the first elements of another buffer to `start`.
    ///
    /// # Errors
    /// [`DeviceError::Failed`].
    ///
    /// # Panics
    /// If there are fewer elements, or if the other buffer is on another device.
    pub fn copy_from(&mut self, start: usize, other: &Self, count: usize) -> Result<(), DeviceError> {
        on_one_device(&self.device, [other]);
        let (from, to) = (other.at(0, count), self.at(start, count));
        if count == 0 {
            return Ok(());
        }
        // SAFETY: `at` asserts that they are within the buffers, which are two of one device; this one is borrowed mutably.
        unsafe { self.device.copy(from, to, count * size_of::<T>()) }
    }

    /// The number of elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether it has no element.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The device it is on.
    #[must_use]
    pub const fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    /// Where it begins.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Where `count` elements from `start` on are.
    pub(crate) fn at(&self, start: usize, count: usize) -> Address {
        assert!(start.checked_add(count).is_some_and(|end| end <= self.count), "within the buffer");
        Address(self.address.0 + (start * size_of::<T>()) as u64)
    }

    /// The address as an argument.
    #[must_use]
    pub const fn argument(&self) -> Argument {
        Argument::Address(self.address)
    }

    /// The address of `count` elements from `start` on as an argument.
    pub(crate) fn argument_of(&self, start: usize, count: usize) -> Argument {
        Argument::Address(self.at(start, count))
    }

    /// The address of element `start` as an argument.
    #[must_use]
    pub fn argument_at(&self, start: usize) -> Argument {
        Argument::Address(self.at(start, 0))
    }
}

/// Overwrites what is secret before its memory is given back.
pub(crate) fn wipe<T: Copy>(elements: &mut [T], with: T) {
    elements.fill(with);
    // Or the compiler sees that nobody reads it.
    std::hint::black_box(elements);
}

fn bytes_of<T: Plain>(elements: &[T]) -> &[u8] {
    // SAFETY: `Plain` has no padding, so every byte is initialised; the slice covers the same memory for the same time.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) }
}

fn bytes_of_mut<T: Plain>(elements: &mut [T]) -> &mut [u8] {
    // SAFETY: as `bytes_of`, and whatever a device writes are values of `T` by `Plain`.
    unsafe { std::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), size_of_val(elements)) }
}
