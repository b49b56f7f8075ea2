//! Inputs and contexts as they are given on the command line.

use crate::failure::Failure;
use clap::{Args, ValueEnum};
use inferproof::artefact::replace_file;
use inferproof::keys::ProvingKey;
use inferproof::model::{Model, ModelError};
use inferproof::quantise::load_tensor;
use inferproof::{Interface, Visibility};
use ndarray::{ArrayD, IxDyn};
use ndarray_npy::WriteNpyExt;
use std::path::{Path, PathBuf};

/// What a verifier sees of the input.
#[derive(Clone, Copy, ValueEnum)]
enum InputSeen {
    /// Its bytes.
    Public,
    /// A hiding commitment to it.
    Committed,
    /// Nothing.
    Private,
}

/// What a verifier sees of the output.
#[derive(Clone, Copy, ValueEnum)]
enum OutputSeen {
    /// Its bytes.
    Public,
    /// A hiding commitment to it, made with the proof.
    Committed,
    /// A hiding commitment to it that was made before the proof.
    Given,
    /// Nothing.
    Private,
}

/// What a verifier sees of input and output.
#[derive(Args)]
pub(crate) struct InterfaceArguments {
    /// What a verifier sees of the input.
    #[arg(long, value_enum, default_value = "public", value_name = "HOW")]
    input_as: InputSeen,
    /// What a verifier sees of the output.
    #[arg(long, value_enum, default_value = "public", value_name = "HOW")]
    output_as: OutputSeen,
    /// Inputs of one proof. They share the rows with weights: each takes a fraction of a proof's time and gas.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    batch_in_one: u16,
}

impl InterfaceArguments {
    pub(crate) fn batch(&self) -> usize {
        self.batch_in_one.into()
    }

    pub(crate) const fn interface(&self) -> Interface {
        Interface {
            input: match self.input_as {
                InputSeen::Public => Visibility::Public,
                InputSeen::Committed => Visibility::Committed,
                InputSeen::Private => Visibility::Private,
            },
            output: match self.output_as {
                OutputSeen::Public => Visibility::Public,
                OutputSeen::Committed => Visibility::Committed,
                OutputSeen::Given => Visibility::Given,
                OutputSeen::Private => Visibility::Private,
            },
        }
    }
}

/// The input of a model: real numbers, or the integers themselves.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Input {
    /// Real-valued input (.npy); it is quantised as the model says.
    #[arg(long, value_name = "X.NPY")]
    input: Option<PathBuf>,
    /// The integers themselves (.npy), in the model's declared range.
    #[arg(long, value_name = "X.NPY")]
    input_quantised: Option<PathBuf>,
}

impl Input {
    /// One of the two, where none is needed; `None` if there is none.
    pub(crate) fn of(input: Option<PathBuf>, input_quantised: Option<PathBuf>) -> Option<Self> {
        (input.is_some() || input_quantised.is_some()).then_some(Self { input, input_quantised })
    }

    /// The file, and whether it holds the integers themselves.
    pub(crate) fn path(&self) -> (&Path, bool) {
        match (&self.input, &self.input_quantised) {
            (Some(path), _) => (path, false),
            (None, path) => (path.as_deref().unwrap_or_else(|| Path::new("")), true),
        }
    }

    /// The integers of one input of a model.
    pub(crate) fn load(&self, model: &Model) -> Result<Integers, Failure> {
        self.read(model.input_shape(), |tensor| Ok((model.quantise_input(tensor)?, model.saturated_inputs(tensor)?)))
    }

    /// The integers of all inputs of a proof.
    pub(crate) fn load_for(&self, key: &ProvingKey) -> Result<Integers, Failure> {
        let spec = &key.verifying_key().io().input;
        self.read(&spec.shape, |tensor| Ok((key.quantise_input(tensor)?, spec.saturated(tensor.iter().copied()))))
    }

    fn read(
        &self,
        shape: &[usize],
        quantise: impl Fn(&ArrayD<f32>) -> Result<(Vec<i64>, u64), ModelError>,
    ) -> Result<Integers, Failure> {
        let (path, quantised) = self.path();
        let tensor = load_tensor(path, shape)?;
        let (values, clipped) = if quantised {
            (integers(path, &tensor, "give real numbers with --input")?, 0)
        } else {
            quantise(&tensor)?
        };
        Ok(Integers { values, clipped })
    }
}

/// The integers of an input.
pub(crate) struct Integers {
    pub(crate) values: Vec<i64>,
    /// How many of the real numbers were moved into the model's domain.
    pub(crate) clipped: u64,
}

/// A word on inputs that are not what the model was made for.
pub(crate) fn clipping(clipped: u64) -> String {
    match clipped {
        0 => String::new(),
        _ => format!("clipped  {clipped} elements of the input, outside the model's domain\n"),
    }
}

/// A tensor of integers; every value of up to 16 bits is exact in `f32`. `remedy` is for whoever gave real numbers.
pub(crate) fn integers(path: &Path, tensor: &ArrayD<f32>, remedy: &str) -> Result<Vec<i64>, Failure> {
    match tensor.iter().position(|v| v.fract() != 0.0 || v.abs() > 65536.0) {
        Some(index) => Err(Failure::Unusable(format!(
            "{}: element {index} is no integer of at most 16 bits; {remedy}",
            path.display()
        ))),
        None => Ok(tensor.iter().map(|v| *v as i64).collect()),
    }
}

/// Writes a tensor as `.npy`, atomically.
pub(crate) fn save_npy<T: ndarray_npy::WritableElement + Copy>(
    path: &Path,
    shape: &[usize],
    values: Vec<T>,
) -> Result<(), Failure> {
    let mut bytes = vec![];
    ArrayD::from_shape_vec(IxDyn(shape), values)?.write_npy(&mut bytes)?;
    Ok(replace_file(path, &[&bytes], false)?)
}

/// 32 bytes in hex, with or without `0x`.
pub(crate) fn parse_word(text: &str) -> Result<[u8; 32], String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let bytes = hex::decode(digits).map_err(|e| format!("not hex: {e}"))?;
    bytes.try_into().map_err(|b: Vec<u8>| format!("{} bytes, expected 32", b.len()))
}

/// A real interval.
pub(crate) fn interval(text: &str) -> Result<(f64, f64), String> {
    let ends = text.split_once("..").and_then(|(lo, hi)| Some((lo.parse().ok()?, hi.parse().ok()?)));
    ends.filter(|(lo, hi): &(f64, f64)| lo.is_finite() && hi.is_finite() && lo < hi)
        .ok_or_else(|| "expected LO..HI, two numbers with LO below HI".into())
}

/// A dimension and its size.
pub(crate) fn dimension(text: &str) -> Result<(String, usize), String> {
    let (name, size) = text.split_once('=').ok_or("expected NAME=SIZE")?;
    match size.parse() {
        Ok(size) if size > 0 && !name.is_empty() => Ok((name.into(), size)),
        _ => Err("expected NAME=SIZE with a size of at least 1".into()),
    }
}
