//! NumPy files, as lists of named arrays of `f32`.

use super::error::SampleError;
use ndarray::ArrayD;
use ndarray_npy::{ReadNpyError, ReadNpyExt, npy::header::Header};
use std::{
    fs,
    io::{Cursor, Read},
    path::Path,
    thread,
};
use zip::ZipArchive;

/// Most bytes read from one file, and most that an archive may unpack to.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// Longest header of an array; NumPy's own have 128 bytes.
const MAX_HEADER_BYTES: u32 = 1 << 16;
/// A header is a Python literal, and its parser recurses once a bracket: this holds the longest header allowed.
const PARSER_STACK: usize = 256 << 20;
const NPY_MAGIC: &[u8] = b"\x93NUMPY";

/// One array of a file.
pub(super) struct NamedArray {
    pub name: String,
    pub values: ArrayD<f32>,
    /// Whether the file holds integers.
    pub is_integer: bool,
}

/// Reads every array of a `.npy` or `.npz` file, told apart by their first bytes.
pub(super) fn read(path: &Path) -> Result<Vec<NamedArray>, SampleError> {
    let fail = |source| SampleError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(fail)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(SampleError::TooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES });
    }
    let owned = path.to_owned();
    let reader = thread::Builder::new().stack_size(PARSER_STACK).spawn(move || parse(&owned, &bytes)).map_err(fail)?;
    // The parsers of zip and of literals are not ours: what would be a panic of theirs is a fault of the file.
    reader.join().unwrap_or_else(|_| Err(format_error(path, "bytes that their parser gives up on")))
}

fn format_error(path: &Path, got: impl Into<String>) -> SampleError {
    SampleError::Format { path: path.to_owned(), got: got.into() }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<NamedArray>, SampleError> {
    if bytes.starts_with(NPY_MAGIC) {
        return Ok(vec![named(path, "-", bytes)?]);
    }
    if !bytes.starts_with(b"PK") {
        return Err(format_error(path, crate::artefact::identify(bytes).to_string()));
    }
    let fault = |error: String| format_error(path, error);
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| fault(e.to_string()))?;
    let mut left = MAX_FILE_BYTES;
    let mut arrays = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|e| fault(e.to_string()))?;
        // A hostile name must not reach a terminal as it is.
        let name = entry.name().strip_suffix(".npy").unwrap_or(entry.name());
        let name: String = name.chars().take(80).flat_map(char::escape_debug).collect();
        let mut array = Vec::new();
        entry.take(left + 1).read_to_end(&mut array).map_err(|e| fault(format!("array `{name}`: {e}")))?;
        left = left
            .checked_sub(array.len() as u64)
            .ok_or_else(|| SampleError::TooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES })?;
        arrays.push(named(path, &name, &array)?);
    }
    Ok(arrays)
}

/// Refuses a header that is longer than any honest one, or that announces more numbers than there are bytes, before the
/// reader takes the memory it asks for.
fn screen_header(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes;
    // The length has two bytes in version 1, which cannot exceed the limit, and four in later ones.
    if let [_, _, _, _, _, _, version, _, a, b, c, d, ..] = *rest
        && version >= 2
        && u32::from_le_bytes([a, b, c, d]) > MAX_HEADER_BYTES
    {
        return Err(format!("a header of more than {MAX_HEADER_BYTES} bytes"));
    }
    let header = Header::from_reader(&mut rest).map_err(|e| e.to_string())?;
    let count = header.shape.iter().try_fold(1usize, |count, &axis| count.checked_mul(axis));
    if count.is_none_or(|count| count > rest.len()) {
        return Err(format!("an array of shape {:?} cut short at {} bytes", header.shape, rest.len()));
    }
    Ok(())
}

/// Tries every number type of up to 64 bits; the array as `f32`, and whether it holds integers.
fn read_any(bytes: &[u8]) -> Result<(ArrayD<f32>, bool), ReadNpyError> {
    macro_rules! first_of {
        ($($number:ty, $is_integer:expr;)*) => {$(
            match ArrayD::<$number>::read_npy(bytes) {
                Err(ReadNpyError::WrongDescriptor(_)) => {}
                other => return other.map(|array| (array.mapv(|v| v as f32), $is_integer)),
            }
        )*};
    }
    first_of!(f32, false; f64, false; u8, true; i8, true; i16, true; u16, true; i32, true; u32, true; i64, true;);
    ArrayD::<u64>::read_npy(bytes).map(|array| (array.mapv(|v| v as f32), true))
}

fn named(path: &Path, name: &str, bytes: &[u8]) -> Result<NamedArray, SampleError> {
    let fail = |got| SampleError::Array { path: path.to_owned(), array: name.into(), got };
    screen_header(bytes).map_err(fail)?;
    let (values, is_integer) = read_any(bytes).map_err(|e| fail(e.to_string()))?;
    Ok(NamedArray { name: name.into(), values, is_integer })
}
