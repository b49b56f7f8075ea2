//! NumPy files, as lists of named arrays of `f32`.

use super::error::SampleError;
use ndarray::ArrayD;
use ndarray_npy::{ReadNpyError, ReadNpyExt, npy::header::Header};
use std::{
    fs,
    io::{Cursor, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};
use zip::ZipArchive;

/// Most bytes read from one file, most that an archive may unpack to, and most that the numbers of a file may have as `f32`.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 30;
/// Longest header of an array; NumPy's own have 128 bytes.
const MAX_HEADER_BYTES: usize = 1 << 12;
/// Most brackets that a header may open before it closes one: a shape inside of a dictionary has two. Its parser takes three times as long for each.
const MAX_NESTING: usize = 3;
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
    // The parsers of zip and of literals are not ours: what would be a panic of theirs is a fault of the file.
    catch_unwind(AssertUnwindSafe(|| parse(path, &bytes)))
        .unwrap_or_else(|_| Err(format_error(path, "bytes that their parser gives up on")))
}

fn format_error(path: &Path, got: impl Into<String>) -> SampleError {
    SampleError::Format { path: path.to_owned(), got: got.into() }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<NamedArray>, SampleError> {
    let mut numbers = MAX_FILE_BYTES / size_of::<f32>() as u64;
    if bytes.starts_with(NPY_MAGIC) {
        return Ok(vec![named(path, "-", bytes, &mut numbers)?]);
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
        arrays.push(named(path, &name, &array, &mut numbers)?);
    }
    Ok(arrays)
}

/// How many numbers an array holds. Refuses a header that is longer or more nested than any honest one before it is parsed, and one that announces more numbers
/// than there are bytes before the reader takes the memory it asks for.
fn screen_header(bytes: &[u8]) -> Result<u64, String> {
    // The length has two bytes in version 1 and four in later ones.
    let (start, length) = match *bytes {
        [_, _, _, _, _, _, 1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([a, b]))),
        [_, _, _, _, _, _, _, _, a, b, c, d, ..] => (12, u32::from_le_bytes([a, b, c, d]) as usize),
        _ => return Err("an array cut short in its header".into()),
    };
    if length > MAX_HEADER_BYTES {
        return Err(format!("a header of more than {MAX_HEADER_BYTES} bytes"));
    }
    let mut open = 0usize;
    for byte in bytes.iter().skip(start).take(length) {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MAX_NESTING {
            return Err("a header of brackets in brackets, which describes no array of numbers".into());
        }
    }
    let mut rest = bytes;
    let header = Header::from_reader(&mut rest).map_err(|e| e.to_string())?;
    let count = header.shape.iter().try_fold(1usize, |count, &axis| count.checked_mul(axis));
    match count {
        Some(count) if count <= rest.len() => Ok(count as u64),
        _ => Err(format!("an array of shape {:?} cut short at {} bytes", header.shape, rest.len())),
    }
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

/// One array, whose numbers count against those that are left.
fn named(path: &Path, name: &str, bytes: &[u8], left: &mut u64) -> Result<NamedArray, SampleError> {
    let fail = |got| SampleError::Array { path: path.to_owned(), array: name.into(), got };
    let count = screen_header(bytes).map_err(fail)?;
    *left = left
        .checked_sub(count)
        .ok_or_else(|| SampleError::TooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES })?;
    let (values, is_integer) = read_any(bytes).map_err(|e| fail(e.to_string()))?;
    Ok(NamedArray { name: name.into(), values, is_integer })
}
