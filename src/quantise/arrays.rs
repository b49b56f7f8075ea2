//! NumPy files, as lists of named arrays of `f32`.

use super::error::SampleError;
use ndarray::ArrayD;
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpyExt, ReadNpzError, ReadableElement, npy::header::Header};
use std::{
    fs,
    io::{Cursor, Read},
    path::Path,
    thread,
};

/// Most bytes read from one file.
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
    let is_npy = bytes.starts_with(NPY_MAGIC);
    if !is_npy && !bytes.starts_with(b"PK") {
        return Err(format_error(path, crate::artefact::identify(bytes).to_string()));
    }
    screen_headers(path, bytes)?;
    if is_npy {
        let values = read_any(&mut Npy(bytes));
        return Ok(vec![named(path, "-", values)?]);
    }
    let mut archive = NpzReader::new(Cursor::new(bytes)).map_err(|e| format_error(path, e.to_string()))?;
    let names = archive.names().map_err(|e| format_error(path, e.to_string()))?;
    names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            // A hostile name must not reach a terminal as it is.
            let name: String = name.chars().take(80).flat_map(char::escape_debug).collect();
            named(path, &name, read_any(&mut NpzEntry { archive: &mut archive, index }))
        })
        .collect()
}

/// Refuses headers that are longer than any honest one, or that announce more numbers than the file has bytes, before
/// the reader takes the memory they ask for. Sees the headers that are not compressed.
fn screen_headers(path: &Path, bytes: &[u8]) -> Result<(), SampleError> {
    for (at, _) in bytes.windows(NPY_MAGIC.len()).enumerate().filter(|(_, window)| *window == NPY_MAGIC) {
        let mut rest = &bytes[at..];
        // The length has two bytes in version 1, which cannot exceed the limit, and four in later ones.
        if let [_, _, _, _, _, _, version, _, a, b, c, d, ..] = *rest
            && version >= 2
            && u32::from_le_bytes([a, b, c, d]) > MAX_HEADER_BYTES
        {
            return Err(format_error(path, format!("a header of more than {MAX_HEADER_BYTES} bytes at offset {at}")));
        }
        // Bytes that only look like a header are left to the reader.
        let Ok(header) = Header::from_reader(&mut rest) else { continue };
        let count = header.shape.iter().try_fold(1usize, |count, &axis| count.checked_mul(axis));
        if count.is_none_or(|count| count > rest.len()) {
            let got = format!("an array of shape {:?} cut short at {} bytes", header.shape, rest.len());
            return Err(format_error(path, got));
        }
    }
    Ok(())
}

/// Where an array can be read from, again for each type it might have.
trait Source {
    fn read<T: ReadableElement>(&mut self) -> Result<ArrayD<T>, ReadNpzError>;
}

struct Npy<'a>(&'a [u8]);

impl Source for Npy<'_> {
    fn read<T: ReadableElement>(&mut self) -> Result<ArrayD<T>, ReadNpzError> {
        ArrayD::read_npy(self.0).map_err(ReadNpzError::Npy)
    }
}

struct NpzEntry<'a, 'b> {
    archive: &'a mut NpzReader<Cursor<&'b [u8]>>,
    index: usize,
}

impl Source for NpzEntry<'_, '_> {
    fn read<T: ReadableElement>(&mut self) -> Result<ArrayD<T>, ReadNpzError> {
        self.archive.by_index(self.index)
    }
}

/// The array as `f32` and whether it holds integers, or what is wrong with it.
type Numbers = Result<(ArrayD<f32>, bool), ReadNpzError>;

/// Tries every number type of up to 64 bits.
fn read_any(source: &mut impl Source) -> Numbers {
    // One-byte types first: for them the type is compared before memory is taken.
    macro_rules! first_of {
        ($($number:ty, $is_integer:expr;)*) => {$(
            match source.read::<$number>() {
                Err(ReadNpzError::Npy(ReadNpyError::WrongDescriptor(_))) => {}
                other => return other.map(|array| (array.mapv(|v| v as f32), $is_integer)),
            }
        )*};
    }
    first_of!(u8, true; i8, true; f32, false; f64, false; i16, true; u16, true; i32, true; u32, true; i64, true;);
    source.read::<u64>().map(|array| (array.mapv(|v| v as f32), true))
}

fn named(path: &Path, name: &str, numbers: Numbers) -> Result<NamedArray, SampleError> {
    match numbers {
        Ok((values, is_integer)) => Ok(NamedArray { name: name.into(), values, is_integer }),
        Err(error) => Err(SampleError::Array { path: path.to_owned(), array: name.into(), got: error.to_string() }),
    }
}
