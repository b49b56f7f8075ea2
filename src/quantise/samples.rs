//! Calibration samples, test sets and single inputs, from memory or from NumPy files.

use super::{
    arrays::{self, NamedArray},
    error::SampleError,
};
use ndarray::{ArrayD, Axis};
use std::path::{Path, PathBuf};

/// What a sample takes besides its elements.
const SAMPLE_BYTES: u64 = 128;

/// Inputs of one network, each of its input shape without a batch axis, all finite; at least one.
#[derive(Clone, PartialEq)]
pub struct Samples {
    inputs: Vec<ArrayD<f32>>,
    labels: Option<Vec<usize>>,
}

impl std::fmt::Debug for Samples {
    /// How many there are: inputs may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Samples({})", self.inputs.len())
    }
}

impl Samples {
    /// Samples in memory, for a network whose input has shape `input_shape` without the batch axis.
    ///
    /// # Errors
    /// [`SampleError::Empty`], [`SampleError::Sample`] for another shape or a number that is not finite.
    pub fn new(inputs: Vec<ArrayD<f32>>, input_shape: &[usize]) -> Result<Self, SampleError> {
        for (index, input) in inputs.iter().enumerate() {
            let got = match input.iter().find(|value| !value.is_finite()) {
                _ if input.shape() != input_shape => format!("shape {:?}", input.shape()),
                Some(value) => value.to_string(),
                None => continue,
            };
            return Err(SampleError::Sample { index, expected: input_shape.to_vec(), got });
        }
        if inputs.is_empty() {
            return Err(SampleError::Empty { origin: "the list of samples".into() });
        }
        Ok(Self { inputs, labels: None })
    }

    /// `count` samples of about the standard normal distribution, always the same: for a first look at a network, where
    /// its real inputs are not at hand.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn random(input_shape: &[usize], count: usize) -> Result<Self, SampleError> {
        let mut state = 0x243f_6a88_85a3_08d3u64;
        // Twelve uniform numbers less six, from a linear congruential generator: the same everywhere.
        let mut normal = || {
            let mut sum = -6.0;
            for _ in 0..12 {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                sum += (state >> 40) as f32 / (1u64 << 24) as f32;
            }
            sum
        };
        let inputs = (0..count).map(|_| ArrayD::from_shape_simple_fn(input_shape, &mut normal)).collect();
        Self::new(inputs, input_shape)
    }

    /// Reads samples from a `.npy` or `.npz` file of floats (32 or 64 bits) or integers.
    ///
    /// With `S` for `input_shape`, every array has shape `S` or `[1] + S` (one sample), `[N] + S` or `[N, 1] + S` (`N`
    /// samples); a `.npz` may hold several, whose samples are taken in the order of the archive. An array of integers
    /// of shape `[N]` named `y` or `labels` beside others gives the labels.
    ///
    /// Reads at most 1 GiB, unpacked and as 32-bit numbers.
    ///
    /// # Errors
    /// Any [`SampleError`] that names a file.
    pub fn load(path: impl AsRef<Path>, input_shape: &[usize]) -> Result<Self, SampleError> {
        let path = path.as_ref();
        let (mut inputs, mut labels) = (Vec::new(), None);
        let arrays = arrays::read(path)?;
        let alone = arrays.len() == 1;
        for array in arrays {
            if !alone && is_labels(&array, input_shape) {
                labels = Some(read_labels(&array)?);
            } else {
                inputs.extend(split(path, array, input_shape)?);
            }
        }
        if inputs.is_empty() {
            return Err(SampleError::Empty { origin: path.display().to_string() });
        }
        let samples = Self { inputs, labels: None };
        match labels {
            Some(labels) => samples.with_labels(labels),
            None => Ok(samples),
        }
    }

    /// The same samples with the class of each.
    ///
    /// # Errors
    /// [`SampleError::Labels`] if there are not as many labels as samples.
    pub fn with_labels(mut self, labels: Vec<usize>) -> Result<Self, SampleError> {
        if labels.len() != self.inputs.len() {
            let (expected, got) = (format!("{} of them, one a sample", self.inputs.len()), labels.len().to_string());
            return Err(SampleError::Labels { expected, got });
        }
        self.labels = Some(labels);
        Ok(self)
    }

    /// The inputs, in order.
    #[must_use]
    pub fn inputs(&self) -> &[ArrayD<f32>] {
        &self.inputs
    }

    /// The class of each input, if known.
    #[must_use]
    pub fn labels(&self) -> Option<&[usize]> {
        self.labels.as_deref()
    }

    /// Number of samples, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always a sample")]
    pub fn len(&self) -> usize {
        self.inputs.len()
    }
}

/// Reads a tensor of any shape from a `.npy` file, or a `.npz` file of one array.
///
/// # Errors
/// Any [`SampleError`] that names a file.
pub fn load_array(path: impl AsRef<Path>) -> Result<ArrayD<f32>, SampleError> {
    let path = path.as_ref();
    let array = one_array(path)?;
    check_finite(path, &array)?;
    Ok(array.values)
}

fn one_array(path: &Path) -> Result<NamedArray, SampleError> {
    let mut arrays = arrays::read(path)?.into_iter();
    match (arrays.next(), arrays.next()) {
        (Some(array), None) => Ok(array),
        _ => {
            let got = "an archive that does not hold exactly one array".into();
            Err(SampleError::Format { path: path.to_owned(), got })
        }
    }
}

/// Reads one input of shape `shape` (or `[1] + shape`) from a `.npy` file, or a `.npz` file of one array.
///
/// # Errors
/// Any [`SampleError`] that names a file.
pub fn load_tensor(path: impl AsRef<Path>, shape: &[usize]) -> Result<ArrayD<f32>, SampleError> {
    let path = path.as_ref();
    let array = one_array(path)?;
    check_finite(path, &array)?;
    let fits = array.values.shape() == shape || is_batched(array.values.shape(), shape, 1);
    if !fits {
        let expected = format!("{shape:?} or {:?}", prefixed(&[1], shape));
        return Err(wrong_shape(path, &array, expected));
    }
    Ok(reshaped(&array.values, shape))
}

/// Reads the classes of samples from a `.npy` file, or a `.npz` file of one array: integers of shape `[N]` or `[N, 1]`.
///
/// # Errors
/// Any [`SampleError`] that names a file; [`SampleError::Labels`] for what is no class.
pub fn load_labels(path: impl AsRef<Path>) -> Result<Vec<usize>, SampleError> {
    let path = path.as_ref();
    let array = one_array(path)?;
    if !matches!(array.values.shape(), [_] | [_, 1]) {
        return Err(wrong_shape(path, &array, "[N]".into()));
    }
    if !array.is_integer {
        let expected = "integers, saved with astype('int64')".into();
        return Err(SampleError::Labels { expected, got: "floats".into() });
    }
    read_labels(&array)
}

fn is_labels(array: &NamedArray, input_shape: &[usize]) -> bool {
    matches!(array.name.as_str(), "y" | "labels")
        && array.is_integer
        && array.values.ndim() == 1
        && array.values.shape() != input_shape
}

/// Classes are far below 2^24, so they came through `f32` unharmed.
fn read_labels(array: &NamedArray) -> Result<Vec<usize>, SampleError> {
    let label = |&value: &f32| match value {
        0.0..16_777_216.0 => Ok(value as usize),
        _ => Err(SampleError::Labels { expected: "classes from 0 below 2^24".into(), got: value.to_string() }),
    };
    array.values.iter().map(label).collect()
}

/// The samples of one array.
fn split(path: &Path, array: NamedArray, shape: &[usize]) -> Result<Vec<ArrayD<f32>>, SampleError> {
    check_finite(path, &array)?;
    let dims = array.values.shape();
    if dims == shape {
        return Ok(vec![reshaped(&array.values, shape)]);
    }
    let count = dims.first().copied().unwrap_or(0);
    if is_batched(dims, shape, count) || is_single_batches(dims, shape) {
        let bytes = array.values.len() as u64 * size_of::<f32>() as u64 + count as u64 * SAMPLE_BYTES;
        if bytes > arrays::MAX_FILE_BYTES {
            return Err(SampleError::TooLarge { path: path.to_owned(), limit: arrays::MAX_FILE_BYTES });
        }
        let samples = array.values.axis_iter(Axis(0));
        return Ok(samples.map(|sample| of_shape(sample.iter().copied().collect(), shape)).collect());
    }
    let expected = format!("{shape:?}, [N, ...] or [N, 1, ...] of it");
    Err(wrong_shape(path, &array, expected))
}

fn is_batched(dims: &[usize], shape: &[usize], count: usize) -> bool {
    dims.split_first().is_some_and(|(&first, rest)| first == count && rest == shape)
}

fn is_single_batches(dims: &[usize], shape: &[usize]) -> bool {
    dims.split_first().is_some_and(|(_, rest)| is_batched(rest, shape, 1))
}

fn prefixed(prefix: &[usize], shape: &[usize]) -> Vec<usize> {
    [prefix, shape].concat()
}

/// The elements in row-major order under `shape`, which has as many.
fn reshaped(values: &ArrayD<f32>, shape: &[usize]) -> ArrayD<f32> {
    of_shape(values.iter().copied().collect(), shape)
}

fn of_shape(elements: Vec<f32>, shape: &[usize]) -> ArrayD<f32> {
    ArrayD::from_shape_vec(shape, elements).expect("as many elements as the shape has")
}

fn check_finite(path: &Path, array: &NamedArray) -> Result<(), SampleError> {
    match array.values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((index, &got)) => {
            Err(SampleError::NonFinite { path: path.to_owned(), array: array.name.clone(), index, got })
        }
    }
}

fn wrong_shape(path: &Path, array: &NamedArray, expected: String) -> SampleError {
    let (path, got): (PathBuf, _) = (path.to_owned(), array.values.shape().to_vec());
    SampleError::Shape { path, array: array.name.clone(), expected, got }
}
