//! `Conv` over signals, images and volumes.

use std::sync::Arc;

use ndarray::{Array1, Ix1};

use super::volume;
use super::window::{Slide, Windows};
use crate::graph::Window;
use crate::onnx::constant::Constant;
use crate::onnx::context::{Built, Context, Stop};
use crate::onnx::draft::Operand;
use crate::onnx::layer::Layer;

/// Largest batch. Samples are convolved one by one, each with its own copy of the kernels.
const MAX_BATCH: usize = 16;

/// A convolution with constant kernels.
pub(in crate::onnx) fn conv(context: &mut Context<'_>) -> Result<Built, Stop> {
    let windows = Windows::read(context);
    let groups = group_count(context);
    context.finish_attributes()?;
    context.expect_inputs(2, 3)?;
    let x = context.activation(0)?;
    let (kernels, lengths) = kernels(context, &x)?;
    let slides = windows.resolve(context, kernels.shape.get(2..).unwrap_or_default(), &lengths)?;
    let bias = bias(context, kernels.shape.first().copied().unwrap_or(0))?;
    let source = context.optional_constant(2)?;
    let layer = context.layer(&x, &kernels, bias, source.as_deref())?;
    Ok(Convolution { layer, slides, groups }.run(context, &x)?.into())
}

/// The attribute `group`; anything below 1 is noted.
pub(super) fn group_count(context: &mut Context<'_>) -> usize {
    let groups = context.int("group", 1);
    usize::try_from(groups).ok().filter(|&groups| groups > 0).unwrap_or_else(|| {
        context.refuse_value("group", &groups.to_string(), "at least 1", "export the model again");
        1
    })
}

/// The second input, and the sizes of the spatial axes of the first one.
pub(super) fn kernels(context: &mut Context<'_>, x: &Operand) -> Result<(Arc<Constant>, Vec<usize>), Stop> {
    let constant = context.constant(1)?;
    let lengths = spatial_lengths(context, x)?;
    let kernels = constant.floats()?;
    if kernels.ndim() != x.shape.len() || kernels.is_empty() {
        let got = format!("`{}` of shape {:?}", constant.name, constant.shape);
        return Err(context.shape_error(format!("kernels of {} axes, none empty", x.shape.len()), got));
    }
    Ok((constant, lengths))
}

/// The sizes of the spatial axes of the first input, of which there are 1 to 3.
pub(super) fn spatial_lengths(context: &mut Context<'_>, x: &Operand) -> Result<Vec<usize>, Stop> {
    match x.shape.get(2..) {
        Some(lengths) if (1..=3).contains(&lengths.len()) => Ok(lengths.to_vec()),
        _ => {
            let reason = format!(
                "input 0 has the shape {:?}, expected a batch axis, channels and 1 to 3 spatial axes; reshape it",
                x.shape
            );
            Err(context.refuse(None, reason))
        }
    }
}

/// The third input: one value for each output channel, zero if it is left out.
pub(super) fn bias(context: &mut Context<'_>, outputs: usize) -> Result<Array1<f32>, Stop> {
    let Some(constant) = context.optional_constant(2)? else { return Ok(Array1::zeros(outputs)) };
    let bias = constant.floats()?.view().into_dimensionality::<Ix1>().ok().filter(|bias| bias.len() == outputs);
    let fault = || context.shape_error(format!("a bias of shape [{outputs}]"), format!("shape {:?}", constant.shape));
    bias.map(|bias| bias.to_owned()).ok_or_else(fault)
}

/// A convolution over 1 to 3 spatial axes.
#[derive(Debug, Clone)]
pub(super) struct Convolution {
    /// Kernels of shape `[out, in / groups, ..]`.
    pub layer: Layer,
    /// The windows on each spatial axis.
    pub slides: Vec<Slide>,
    /// Parts into which the channels fall.
    pub groups: usize,
}

impl Convolution {
    /// The convolution of every sample of a batch.
    pub fn run(self, context: &mut Context<'_>, x: &Operand) -> Result<Operand, Stop> {
        let batch = x.shape.first().copied().unwrap_or(1);
        if batch == 1 {
            return self.on_sample(context, x);
        }
        if batch > MAX_BATCH {
            let reason =
                format!("the batch has {batch} samples, expected at most {MAX_BATCH}; export the model for fewer");
            return Err(context.refuse(None, reason));
        }
        let mut results = Vec::with_capacity(batch);
        for index in 0..batch {
            let sample = context.take(x, 0, 1, |_| Some(index), 0.0)?;
            results.push(self.clone().on_sample(context, &sample)?);
        }
        context.concat(&results.iter().collect::<Vec<_>>(), 0)
    }

    /// The convolution of one sample, of shape `[1, channels, ..]`.
    fn on_sample(self, context: &mut Context<'_>, x: &Operand) -> Result<Operand, Stop> {
        match (self.slides.as_slice(), x.shape.as_slice()) {
            (&[slide], &[_, channels, width]) => {
                let x = context.reshape(x, vec![1, channels, 1, width])?;
                let mut shape = self.layer.shape().to_vec();
                shape.insert(2, 1);
                let layer = self.layer.reshaped(context, &shape)?;
                let slides = vec![Slide::POINT, slide];
                let y = Self { layer, slides, ..self }.on_image(context, &x)?;
                let shape = y.shape.iter().enumerate().filter(|(axis, _)| *axis != 2).map(|(_, &size)| size).collect();
                context.reshape(&y, shape)
            }
            (&[_, _], _) => self.on_image(context, x),
            _ => volume::convolve(context, self, x),
        }
    }

    /// The convolution of one image, of shape `[1, channels, height, width]`.
    pub fn on_image(self, context: &mut Context<'_>, x: &Operand) -> Result<Operand, Stop> {
        let op = match self.slides.as_slice() {
            &[v, h] => {
                let window = Window {
                    kernel: [v.kernel, h.kernel],
                    strides: [v.stride, h.stride],
                    pads: [v.before, h.before, v.after, h.after],
                    dilations: [v.dilation, h.dilation],
                };
                self.layer.into_op(window, self.groups)
            }
            _ => None,
        };
        match op {
            Some(op) => context.on_sample(op, x),
            None => Err(context.shape_error("kernels of two spatial axes", format!("{} windows", self.slides.len()))),
        }
    }
}
