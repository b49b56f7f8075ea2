//! `Conv` over signals, images and volumes.

use ndarray::{Array1, ArrayD, Ix1, Ix4, IxDyn};

use super::volume;
use super::window::{Slide, Windows};
use crate::graph::Op;
use crate::onnx::context::{Built, Context, Stop};
use crate::onnx::draft::Operand;

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
    let slides = windows.resolve(context, kernels.shape().get(2..).unwrap_or_default(), &lengths)?;
    let outputs = kernels.shape().first().copied().unwrap_or(0);
    let bias = bias(context, outputs)?;
    Ok(Convolution { kernels, bias, slides, groups }.run(context, &x)?.into())
}

/// The attribute `group`; anything below 1 is noted.
pub(super) fn group_count(context: &mut Context<'_>) -> usize {
    let groups = context.int("group", 1);
    usize::try_from(groups).ok().filter(|&groups| groups > 0).unwrap_or_else(|| {
        context.refuse_value("group", &groups.to_string(), "at least 1", "export the model again");
        1
    })
}

/// The second input, and the sizes of the spatial axes of the first one, of which there are 1 to 3.
pub(super) fn kernels(context: &mut Context<'_>, x: &Operand) -> Result<(ArrayD<f32>, Vec<usize>), Stop> {
    let constant = context.constant(1)?;
    let lengths = match x.shape.get(2..) {
        Some(lengths) if (1..=3).contains(&lengths.len()) => lengths.to_vec(),
        _ => {
            let reason = format!(
                "input 0 has the shape {:?}, expected a batch axis, channels and 1 to 3 spatial axes; reshape it",
                x.shape
            );
            return Err(context.refuse(None, reason));
        }
    };
    let kernels = constant.floats()?.clone();
    if kernels.ndim() != x.shape.len() || kernels.is_empty() {
        let got = format!("`{}` of shape {:?}", constant.name, constant.shape);
        return Err(context.shape_error(format!("kernels of {} axes, none empty", x.shape.len()), got));
    }
    Ok((kernels, lengths))
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
    /// Of shape `[out, in / groups, ..]`.
    pub kernels: ArrayD<f32>,
    /// One value for each output channel.
    pub bias: Array1<f32>,
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
                let mut shape = self.kernels.shape().to_vec();
                shape.insert(2, 1);
                let kernels = reshaped(context, self.kernels, &shape)?;
                let slides = vec![Slide::POINT, slide];
                let y = Self { kernels, slides, ..self }.on_image(context, &x)?;
                let shape = y.shape.iter().enumerate().filter(|(axis, _)| *axis != 2).map(|(_, &size)| size).collect();
                context.reshape(&y, shape)
            }
            (&[_, _], _) => self.on_image(context, x),
            _ => volume::convolve(context, self, x),
        }
    }

    /// The convolution of one image, of shape `[1, channels, height, width]`.
    pub fn on_image(self, context: &mut Context<'_>, x: &Operand) -> Result<Operand, Stop> {
        let (Ok(weights), &[v, h]) = (self.kernels.into_dimensionality::<Ix4>(), self.slides.as_slice()) else {
            return Err(context.shape_error("kernels of two spatial axes", format!("{} windows", self.slides.len())));
        };
        let op = Op::Conv {
            weights,
            bias: self.bias,
            strides: [v.stride, h.stride],
            pads: [v.before, h.before, v.after, h.after],
            dilations: [v.dilation, h.dilation],
            groups: self.groups,
        };
        context.on_sample(op, x)
    }
}

/// The same elements in row-major order under another shape.
pub(super) fn reshaped(context: &Context<'_>, values: ArrayD<f32>, shape: &[usize]) -> Result<ArrayD<f32>, Stop> {
    let values = if values.is_standard_layout() { values } else { values.as_standard_layout().into_owned() };
    let fault =
        |error: ndarray::ShapeError| context.shape_error(format!("values of shape {shape:?}"), error.to_string());
    values.into_shape_with_order(IxDyn(shape)).map_err(fault)
}
