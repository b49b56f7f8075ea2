//! An independent float evaluation of the same file, by the tract runtime.

use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::{
    DatumType, Framework, InferenceFact, InferenceModelExt, IntoRunnable, IntoTValue, Tensor, TractResult,
    TypedRunnableModel, tvec,
};

use super::draft::canonical;
use super::error::{OnnxError, printable_reason};
use super::integers::IntegerType;
use super::model::{guarded, pruned};
use super::{Import, ImportOptions, Registry, import, model};
use crate::graph::GraphError;

/// A model loaded into the tract runtime, as an oracle for the importer and for
/// [`Graph::run_f32`](crate::graph::Graph::run_f32).
///
/// It shares only the decoding of the file with the importer. Everything that the importer refuses is refused here as
/// well, so that the runtime never meets a file that was not checked.
pub struct Reference {
    plan: Arc<TypedRunnableModel>,
    /// The shapes in ONNX; those of the float graph leave out a batch axis of 1.
    input_shape: Vec<usize>,
    input_type: DatumType,
    output_shape: Vec<usize>,
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reference")
            .field("input_shape", &self.input_shape)
            .field("output_shape", &self.output_shape)
            .finish_non_exhaustive()
    }
}

impl Reference {
    /// Loads the bytes of an ONNX file, with an open batch axis taken as 1.
    ///
    /// # Errors
    /// Those of [`import`](fn@crate::onnx::import), and [`OnnxError::Reference`] if the runtime refuses the model.
    pub fn new(bytes: &[u8]) -> Result<Self, OnnxError> {
        Self::with_options(bytes, &ImportOptions::default())
    }

    /// Loads the bytes of an ONNX file.
    ///
    /// # Errors
    /// As [`Reference::new`].
    pub fn with_options(bytes: &[u8], options: &ImportOptions) -> Result<Self, OnnxError> {
        Self::from_model(model::decode(bytes)?, options)
    }

    pub(super) fn from_model(proto: ModelProto, options: &ImportOptions) -> Result<Self, OnnxError> {
        let header = model::Header::read(&proto, options)?;
        let Import { input_shape, output_shape, .. } = import::build(&proto, &header, &Registry::standard())?;
        let input_type = match header.input_kind {
            None | Some(IntegerType::Int32) => DatumType::F32,
            Some(IntegerType::Uint8) => DatumType::U8,
            Some(IntegerType::Int8) => DatumType::I8,
            Some(IntegerType::Uint16) => DatumType::U16,
            Some(IntegerType::Int16) => DatumType::I16,
        };
        let live = header.live;
        let plan = run_tract("loading the model", || {
            let mut model = tract_onnx::onnx().model_for_proto_model(&pruned(proto, &live))?;
            model.set_input_fact(0, InferenceFact::dt_shape(input_type, &input_shape))?;
            model.into_optimized()?.into_runnable()
        })?;
        Ok(Self { plan, input_shape, input_type, output_shape })
    }

    /// Runs the model on one input and returns its output, both in the shapes of the float graph. Integers go in
    /// and come back as floats.
    ///
    /// # Errors
    /// [`OnnxError::Graph`] if the input has the wrong shape, [`OnnxError::Reference`] if the runtime fails or gives
    /// an output of another shape than the importer.
    pub fn run(&self, input: &ArrayD<f32>) -> Result<ArrayD<f32>, OnnxError> {
        if input.shape() != canonical(&self.input_shape) {
            let (expected, got) = (canonical(&self.input_shape).to_vec(), input.shape().to_vec());
            return Err(GraphError::InputShape { expected, got }.into());
        }
        let values: Vec<f32> = input.iter().copied().collect();
        let (shape, values) = run_tract("running the model", || {
            let tensor = Tensor::from_shape(&self.input_shape, &values)?.cast_to_dt(self.input_type)?.into_owned();
            let outputs = self.plan.run(tvec!(tensor.into_tvalue()))?;
            let Some(output) = outputs.first() else { return Ok((vec![], vec![])) };
            let floats = output.cast_to::<f32>()?;
            let view = floats.to_plain_array_view::<f32>()?;
            Ok((view.shape().to_vec(), view.iter().copied().collect::<Vec<f32>>()))
        })?;
        if shape != self.output_shape {
            let reason = format!("got an output of shape {shape:?}, expected {:?}", self.output_shape);
            return Err(failed("reading the output")(reason));
        }
        ArrayD::from_shape_vec(IxDyn(canonical(&shape)), values).map_err(failed("reading the output"))
    }
}

fn failed<E: fmt::Display>(stage: &'static str) -> impl Fn(E) -> OnnxError {
    move |error| OnnxError::Reference { stage, reason: printable_reason(&error.to_string()) }
}

fn run_tract<T>(stage: &'static str, work: impl FnOnce() -> TractResult<T>) -> Result<T, OnnxError> {
    let outcome = guarded(|| work().map_err(|error| printable_reason(&format!("{error:#}"))));
    outcome.map_err(|reason| OnnxError::Reference { stage, reason })
}
