//! The weights of a layer: floats, or the integers of a model that comes quantised.

use ndarray::{Array1, ArrayD, Ix4, IxDyn};

use super::constant::Constant;
use super::context::{Context, Stop};
use super::draft::Operand;
use super::exact::Exact;
use crate::graph::{Op, Window};

/// A bias has 32 bits at most; a larger one is left to floats.
const MAX_BIAS: f64 = i32::MAX as f64;

/// Kernels, of which axis 0 counts the output channels, and a bias for each of these.
#[derive(Debug, Clone)]
pub(super) enum Layer {
    Float {
        kernels: ArrayD<f32>,
        bias: Array1<f32>,
    },
    /// For an operand of integers times `operand_step`; a unit of the result of channel `i` is `steps[i]`.
    Integer {
        kernels: ArrayD<i32>,
        bias: Vec<i64>,
        operand_step: f32,
        steps: Vec<f64>,
    },
}

impl Layer {
    /// The shape of the kernels.
    pub fn shape(&self) -> &[usize] {
        match self {
            Layer::Float { kernels, .. } => kernels.shape(),
            Layer::Integer { kernels, .. } => kernels.shape(),
        }
    }

    /// With the same kernels, in row-major order, under another shape.
    pub fn reshaped(self, context: &Context<'_>, shape: &[usize]) -> Result<Self, Stop> {
        Ok(match self {
            Layer::Float { kernels, bias } => Layer::Float { kernels: reshaped(context, kernels, shape)?, bias },
            Layer::Integer { kernels, bias, operand_step, steps } => {
                Layer::Integer { kernels: reshaped(context, kernels, shape)?, bias, operand_step, steps }
            }
        })
    }

    /// A convolution of images; `None` if the kernels are not those of one.
    pub fn into_op(self, window: Window, groups: usize) -> Option<Op> {
        Some(match self {
            Layer::Float { kernels, bias } => {
                let Window { strides, pads, dilations, .. } = window;
                Op::Conv { weights: kernels.into_dimensionality::<Ix4>().ok()?, bias, strides, pads, dilations, groups }
            }
            Layer::Integer { kernels, bias, operand_step, steps } => {
                let weights = kernels.into_dimensionality::<Ix4>().ok()?;
                Op::IntegerConv { weights, bias, operand_step, steps, window, groups }
            }
        })
    }

    /// A layer of integers, if there is a step for each output channel.
    pub fn integer(kernels: &Exact, bias: Option<Vec<i64>>, operand_step: f32) -> Option<Self> {
        let own = kernels.steps_on(0)?;
        let steps: Vec<f64> = own.iter().map(|&step| f64::from(operand_step) * f64::from(step)).collect();
        let bias = bias.unwrap_or_else(|| vec![0; steps.len()]);
        let is_whole = bias.len() == steps.len();
        is_whole.then(|| Layer::Integer { kernels: kernels.integers.clone(), bias, operand_step, steps })
    }
}

impl Context<'_> {
    /// A layer with constant weights on an operand: of integers if the operand and the weights are quantised, else of
    /// floats. `bias` has one value for each output channel, `source` is the constant it was read from.
    pub fn layer(
        &self,
        x: &Operand,
        kernels: &Constant,
        bias: Array1<f32>,
        source: Option<&Constant>,
    ) -> Result<Layer, Stop> {
        let quantised = self.draft.grid(x.id).zip(kernels.exact.as_ref()).and_then(|(grid, exact)| {
            let integer = integer_bias(&bias, source, f64::from(grid.step), &exact.steps_on(0)?)?;
            Layer::integer(exact, Some(integer), grid.step)
        });
        match quantised {
            Some(layer) => Ok(layer),
            None => Ok(Layer::Float { kernels: kernels.floats()?.clone(), bias }),
        }
    }
}

/// A bias as integers under the steps of the sums: those it was made from if they have these steps, else the nearest
/// ones. The latter moves a result by half a unit of its sum, which is far less than a step of any 8-bit output.
fn integer_bias(bias: &Array1<f32>, source: Option<&Constant>, operand_step: f64, own: &[f32]) -> Option<Vec<i64>> {
    let steps: Vec<f64> = own.iter().map(|&step| operand_step * f64::from(step)).collect();
    if let Some(exact) = source.and_then(|constant| constant.exact.as_ref())
        && let Some(exact) = exact.reshaped(&[bias.len()])
        && let Some(given) = exact.steps_on(0)
        && given.iter().zip(&steps).all(|(&given, &step)| is_near(given, step))
    {
        return Some(exact.integers.iter().map(|&value| value.into()).collect());
    }
    let quotients = bias.iter().zip(&steps).map(|(&value, step)| (f64::from(value) / step).round());
    quotients.map(|quotient| (quotient.abs() <= MAX_BIAS).then_some(quotient as i64)).collect()
}

/// Equal up to one unit in the last place of a float: exporters round the product of two scales.
fn is_near(given: f32, step: f64) -> bool {
    (f64::from(given) - step).abs() <= f64::from(f32::EPSILON) * step
}

/// The same elements in row-major order under another shape.
pub(super) fn reshaped<T: Clone>(context: &Context<'_>, values: ArrayD<T>, shape: &[usize]) -> Result<ArrayD<T>, Stop> {
    let values = if values.is_standard_layout() { values } else { values.as_standard_layout().into_owned() };
    let fault =
        |error: ndarray::ShapeError| context.shape_error(format!("values of shape {shape:?}"), error.to_string());
    values.into_shape_with_order(IxDyn(shape)).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::constant::Data;
    use ndarray::array;

    fn bias(values: &[i64], scales: &[f32]) -> Constant {
        let data = Data::Int(Array1::from(values.to_vec()).into_dyn());
        let integers = Constant { kind: "INT32".into(), ..Constant::new("b", data).unwrap() };
        integers.times_scales(scales, &[0], 0).unwrap()
    }

    #[test]
    fn a_bias_keeps_its_integers_where_the_scales_agree() {
        let (operand, own) = (0.1f32, [0.03f32, 0.007]);
        let scales = own.map(|step| operand * step);
        let large = 1_234_567_891;
        let source = bias(&[large, -3], &scales);
        let floats = Array1::from(source.floats().unwrap().iter().copied().collect::<Vec<_>>());
        assert_eq!(integer_bias(&floats, Some(&source), operand.into(), &own), Some(vec![large, -3]));
        // The floats alone have lost the last digits.
        let rounded = integer_bias(&floats, None, operand.into(), &own).unwrap();
        assert!(rounded[0] != large && (rounded[0] - large).abs() < 200 && rounded[1] == -3, "{rounded:?}");
        // Another scale: the nearest integers under the steps of the sums.
        let source = bias(&[10, 10], &[0.006, 0.0007]);
        let floats = array![0.06f32, 0.007];
        assert_eq!(integer_bias(&floats, Some(&source), operand.into(), &own), Some(vec![20, 10]));
    }

    #[test]
    fn a_bias_beyond_32_bits_is_left_to_floats() {
        assert_eq!(integer_bias(&array![1e9f32], None, 0.1, &[1.0]), None);
    }
}
