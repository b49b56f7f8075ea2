//! An independent float evaluation of the same file, by the tract runtime.

use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::{
    DatumType, Framework, InferenceFact, InferenceModelExt, IntoRunnable, IntoTValue, Tensor, TractResult,
    TypedRunnableModel, tvec,
};

use super::error::{OnnxError, printable_reason};
use super::model::{guarded, pruned};
use super::{Registry, import, model};
use crate::graph::GraphError;

/// A model loaded into the tract runtime, as an oracle for the importer and for
/// [`Graph::run_f32`](crate::graph::Graph::run_f32).
///
/// It shares only the decoding of the file with the importer. Everything that the importer refuses is refused here as
/// well, so that the runtime never meets a file that was not checked.
pub struct Reference {
    plan: Arc<TypedRunnableModel>,
    input_shape: Vec<usize>,
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
    /// Loads the bytes of an ONNX file, with a batch axis of 1.
    ///
    /// # Errors
    /// Those of [`import`](fn@crate::onnx::import), and [`OnnxError::Reference`] if the runtime refuses the model.
    pub fn new(bytes: &[u8]) -> Result<Self, OnnxError> {
        Self::from_model(model::decode(bytes)?)
    }

    pub(super) fn from_model(proto: ModelProto) -> Result<Self, OnnxError> {
        let header = model::Header::read(&proto)?;
        let graph = import::build(&proto, &header, &Registry::standard())?.graph;
        let (input_shape, output_shape) = (graph.input_shape().to_vec(), graph.output_shape().to_vec());
        let live = header.live;
        let batched = with_batch_axis(&input_shape);
        let plan = run_tract("loading the model", || {
            let mut model = tract_onnx::onnx().model_for_proto_model(&pruned(proto, &live))?;
            model.set_input_fact(0, InferenceFact::dt_shape(DatumType::F32, batched))?;
            model.into_optimized()?.into_runnable()
        })?;
        Ok(Self { plan, input_shape, output_shape })
    }

    /// Runs the model on one input and returns its output, both without the batch axis.
    ///
    /// # Errors
    /// [`OnnxError::Graph`] if the input has the wrong shape, [`OnnxError::Reference`] if the runtime fails.
    pub fn run(&self, input: &ArrayD<f32>) -> Result<ArrayD<f32>, OnnxError> {
        if input.shape() != self.input_shape {
            let (expected, got) = (self.input_shape.clone(), input.shape().to_vec());
            return Err(GraphError::InputShape { expected, got }.into());
        }
        let values: Vec<f32> = input.iter().copied().collect();
        let values = run_tract("running the model", || {
            let tensor = Tensor::from_shape(&with_batch_axis(&self.input_shape), &values)?;
            let outputs = self.plan.run(tvec!(tensor.into_tvalue()))?;
            Ok(outputs
                .first()
                .map(|output| output.to_plain_array_view::<f32>().map(|view| view.iter().copied().collect())))
        })?;
        let values: Vec<f32> = values.transpose().map_err(failed("reading the output"))?.unwrap_or_default();
        ArrayD::from_shape_vec(IxDyn(&self.output_shape), values).map_err(failed("reading the output"))
    }
}

fn with_batch_axis(shape: &[usize]) -> Vec<usize> {
    [&[1], shape].concat()
}

fn failed<E: fmt::Display>(stage: &'static str) -> impl Fn(E) -> OnnxError {
    move |error| OnnxError::Reference { stage, reason: printable_reason(&error.to_string()) }
}

fn run_tract<T>(stage: &'static str, work: impl FnOnce() -> TractResult<T>) -> Result<T, OnnxError> {
    let outcome = guarded(|| work().map_err(|error| printable_reason(&format!("{error:#}"))));
    outcome.map_err(|reason| OnnxError::Reference { stage, reason })
}
