//! Fields of a payload: a bounded reader and the writer that mirrors it.
//!
//! Integers are little-endian; scalars and points are as in [`encode_fr`], [`encode_g1`] and [`encode_g2`].
//! Nothing here panics on any input, and nothing allocates more than the input could hold.

use super::points::{
    EncodingError, FR_BYTES, G1_BYTES, G2_BYTES, decode_fr, decode_g1, decode_g2, encode_fr, encode_g1, encode_g2,
};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G2Affine};
use rayon::prelude::*;
use thiserror::Error;

/// Why a field could not be read. `field` is the name the caller gave it, `offset` its place in the payload.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The payload ends inside the field, or a length prefix says more than there is.
    #[error("{field} at offset {offset} needs {needed} bytes, {left} are left")]
    End {
        /// Name of the field.
        field: &'static str,
        /// Where it starts.
        offset: usize,
        /// Bytes it needs (`u64::MAX` when more than can be counted).
        needed: u64,
        /// Bytes there are.
        left: u64,
    },
    /// A scalar or a point that is not one.
    #[error("{field} at offset {offset}: {source}")]
    Encoding {
        /// Name of the field.
        field: &'static str,
        /// Where it starts.
        offset: usize,
        /// What is wrong with it.
        source: EncodingError,
    },
    /// A number outside what the field may hold.
    #[error("{field} at offset {offset} is {got}, {expected} was expected")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// Where it starts.
        offset: usize,
        /// What it may hold.
        expected: &'static str,
        /// What it holds.
        got: u64,
    },
    /// Text that is not UTF-8.
    #[error("{field} at offset {offset} is not UTF-8")]
    Utf8 {
        /// Name of the field.
        field: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// Bytes after the last field.
    #[error("{left} bytes follow the last field, at offset {offset}")]
    Trailing {
        /// Where they start.
        offset: usize,
        /// How many.
        left: u64,
    },
}

/// Reads fields off the front of a payload. Every method takes the field's name, for the error.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    offset: usize,
}

macro_rules! read_integer {
    ($($name:ident)*) => {$(
        #[doc = concat!("Reads a little-endian `", stringify!($name), "`.")]
        ///
        /// # Errors
        /// [`FieldError::End`].
        pub fn $name(&mut self, field: &'static str) -> Result<$name, FieldError> {
            self.array(field).map($name::from_le_bytes)
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A reader at the start of `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, offset: 0 }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.input.len() - self.offset
    }

    /// Bytes read so far.
    pub fn offset(&self) -> usize {
        self.offset
    }

    read_integer!(u8 u16 u32 u64 i64);

    /// Reads the next `len` bytes.
    ///
    /// # Errors
    /// [`FieldError::End`].
    pub fn take(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], FieldError> {
        let (offset, left) = (self.offset, self.remaining());
        if len > left {
            return Err(FieldError::End { field, offset, needed: len as u64, left: left as u64 });
        }
        self.offset += len;
        Ok(&self.input[offset..offset + len])
    }

    /// Reads the next `N` bytes.
    ///
    /// # Errors
    /// [`FieldError::End`].
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], FieldError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(field, N)?);
        Ok(array)
    }

    /// Reads one byte that is 0 or 1.
    ///
    /// # Errors
    /// [`FieldError::End`], [`FieldError::Value`].
    pub fn bool(&mut self, field: &'static str) -> Result<bool, FieldError> {
        let offset = self.offset;
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(FieldError::Value { field, offset, expected: "0 or 1", got: other.into() }),
        }
    }

    /// Reads a `u64` that counts items of at least `item_bytes` bytes each, which must fit in what is left. A caller
    /// may reserve room for that many.
    ///
    /// # Errors
    /// [`FieldError::End`].
    pub fn count(&mut self, field: &'static str, item_bytes: usize) -> Result<usize, FieldError> {
        let offset = self.offset;
        let count = self.u64(field)?;
        let needed = count.saturating_mul(item_bytes.max(1) as u64);
        let left = self.remaining() as u64;
        match usize::try_from(count) {
            Ok(count) if needed <= left => Ok(count),
            _ => Err(FieldError::End { field, offset, needed, left }),
        }
    }

    /// Reads bytes behind a `u64` length.
    ///
    /// # Errors
    /// [`FieldError::End`].
    pub fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], FieldError> {
        let len = self.count(field, 1)?;
        self.take(field, len)
    }

    /// Reads UTF-8 text behind a `u64` length.
    ///
    /// # Errors
    /// [`FieldError::End`], [`FieldError::Utf8`].
    pub fn string(&mut self, field: &'static str) -> Result<&'a str, FieldError> {
        let offset = self.offset;
        std::str::from_utf8(self.bytes(field)?).map_err(|_| FieldError::Utf8 { field, offset })
    }

    /// Reads a scalar.
    ///
    /// # Errors
    /// [`FieldError::End`], [`FieldError::Encoding`].
    pub fn fr(&mut self, field: &'static str) -> Result<Fr, FieldError> {
        let offset = self.offset;
        decode_fr(&self.array(field)?).map_err(|source| FieldError::Encoding { field, offset, source })
    }

    /// Reads a point of G1, the identity included.
    ///
    /// # Errors
    /// [`FieldError::End`], [`FieldError::Encoding`].
    pub fn g1(&mut self, field: &'static str) -> Result<G1Affine, FieldError> {
        let offset = self.offset;
        decode_g1(&self.array(field)?).map_err(|source| FieldError::Encoding { field, offset, source })
    }

    /// Reads a point of G2, the identity included.
    ///
    /// # Errors
    /// [`FieldError::End`], [`FieldError::Encoding`].
    pub fn g2(&mut self, field: &'static str) -> Result<G2Affine, FieldError> {
        let offset = self.offset;
        decode_g2(&self.array(field)?).map_err(|source| FieldError::Encoding { field, offset, source })
    }

    /// Reads `count` points of G1, with no length prefix, on all cores.
    ///
    /// # Errors
    /// [`FieldError::End`]; [`FieldError::Encoding`] for one of the bad points if there are several.
    pub fn g1_many(&mut self, field: &'static str, count: usize) -> Result<Vec<G1Affine>, FieldError> {
        let start = self.offset;
        // A product that overflows is more than is left all the same.
        let bytes = self.take(field, count.saturating_mul(G1_BYTES))?;
        let (chunks, _) = bytes.as_chunks::<G1_BYTES>();
        chunks
            .par_iter()
            .with_min_len(256)
            .enumerate()
            .map(|(i, chunk)| {
                let offset = start + i * G1_BYTES;
                decode_g1(chunk).map_err(|source| FieldError::Encoding { field, offset, source })
            })
            .collect()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`FieldError::Trailing`] if bytes are left.
    pub fn finish(self) -> Result<(), FieldError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(FieldError::Trailing { offset: self.offset, left: left as u64 }),
        }
    }
}

/// Appends fields to a payload, in the form [`Reader`] takes them.
#[derive(Clone, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

// Lengths only: a payload may be secret.
impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writer({} bytes)", self.bytes.len())
    }
}

macro_rules! write_integer {
    ($($name:ident)*) => {$(
        #[doc = concat!("Appends a little-endian `", stringify!($name), "`.")]
        pub fn $name(&mut self, value: $name) -> &mut Self {
            self.raw(&value.to_le_bytes())
        }
    )*};
}

impl Writer {
    /// An empty payload.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty payload with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    write_integer!(u8 u16 u32 u64 i64);

    /// Appends bytes as they are, with no length.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Appends 0 or 1.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.u8(value.into())
    }

    /// Appends a `u64` count of the items the caller writes next.
    pub fn count(&mut self, count: usize) -> &mut Self {
        self.u64(count as u64)
    }

    /// Appends a `u64` length and the bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).raw(bytes)
    }

    /// Appends a `u64` length and the text's UTF-8 bytes.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Appends a scalar, [`FR_BYTES`] bytes.
    pub fn fr(&mut self, scalar: &Fr) -> &mut Self {
        let bytes: [u8; FR_BYTES] = encode_fr(scalar);
        self.raw(&bytes)
    }

    /// Appends a point of G1, [`G1_BYTES`] bytes.
    pub fn g1(&mut self, point: &G1Affine) -> &mut Self {
        let bytes: [u8; G1_BYTES] = encode_g1(point);
        self.raw(&bytes)
    }

    /// Appends a point of G2, [`G2_BYTES`] bytes.
    pub fn g2(&mut self, point: &G2Affine) -> &mut Self {
        let bytes: [u8; G2_BYTES] = encode_g2(point);
        self.raw(&bytes)
    }

    /// Appends points of G1 with no length prefix, on all cores.
    pub fn g1_many(&mut self, points: &[G1Affine]) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.resize(start + points.len() * G1_BYTES, 0);
        let (chunks, _) = self.bytes[start..].as_chunks_mut::<G1_BYTES>();
        chunks.par_iter_mut().with_min_len(256).zip(points).for_each(|(chunk, point)| *chunk = encode_g1(point));
        self
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The payload.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
