//! Plain float evaluation of a graph, one readable function per operation.
//!
//! It serves calibration and tests. The independent check on it is the reference runtime behind
//! [`Reference`](crate::onnx::Reference); this file shares no code with that.

use ndarray::{
    Array1, Array2, Array3, Array4, ArrayD, ArrayView2, ArrayView3, Axis, Ix1, Ix3, IxDyn, ShapeError, Slice,
};

use super::{Graph, GraphError, Node, Op};

impl Graph {
    /// Evaluates every node on one input and returns all values, in the order of [`Graph::nodes`].
    ///
    /// `input` has the shape [`Graph::input_shape`], without a batch axis; value `i` has the shape of node `i`.
    /// The value of the network is the one at [`Graph::output`].
    ///
    /// # Errors
    /// [`GraphError::InputShape`] if the input has another shape, [`GraphError::NonFinite`] if the input or any
    /// value is infinite or not a number, and the errors of [`Graph::check`].
    pub fn run_f32(&self, input: &ArrayD<f32>) -> Result<Vec<ArrayD<f32>>, GraphError> {
        self.check()?;
        if input.shape() != self.input_shape() {
            return Err(GraphError::InputShape { expected: self.input_shape().to_vec(), got: input.shape().to_vec() });
        }
        let mut values: Vec<ArrayD<f32>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let operands: Vec<&ArrayD<f32>> = node.inputs.iter().filter_map(|&id| values.get(id)).collect();
            let value = evaluate(node, &operands, input).map_err(|error| GraphError::Shape {
                node: node.name.clone(),
                operator: node.op.name(),
                expected: format!("operands for a result of shape {:?}", node.shape),
                got: error.to_string(),
            })?;
            check_finite(node, &value)?;
            values.push(row_major(value));
        }
        Ok(values)
    }
}

/// Parameters may have been built in column-major order, and sums inherit that; `Reshape` relies on row-major.
fn row_major(value: ArrayD<f32>) -> ArrayD<f32> {
    if value.is_standard_layout() { value } else { value.as_standard_layout().into_owned() }
}

fn check_finite(node: &Node, value: &ArrayD<f32>) -> Result<(), GraphError> {
    match value.iter().enumerate().find(|(_, element)| !element.is_finite()) {
        None => Ok(()),
        Some((index, &value)) => {
            Err(GraphError::NonFinite { node: node.name.clone(), operator: node.op.name(), index, value })
        }
    }
}

/// The value of one node. The graph was checked, so the operands fit; the error is what is left
/// of the conversions between array types.
fn evaluate(node: &Node, operands: &[&ArrayD<f32>], input: &ArrayD<f32>) -> Result<ArrayD<f32>, ShapeError> {
    let x = operands.first().copied().unwrap_or(input);
    Ok(match &node.op {
        Op::Input => x.clone(),
        Op::Dense { weights, bias } => {
            dense(weights, bias, &x.view().into_dimensionality::<Ix1>()?.to_owned()).into_dyn()
        }
        Op::Conv { weights, bias, strides, pads } => {
            conv(image(x)?, weights, bias, *strides, *pads, &node.shape).into_dyn()
        }
        Op::ScaleShift { scale, shift } => scale_shift(x, scale, shift),
        Op::AddConstant { values } => x + values,
        Op::Add => x + operands.get(1).copied().unwrap_or(x),
        Op::Relu => x.mapv(|value| value.max(0.0)),
        Op::MaxPool { kernel, strides } => {
            let largest = |window: ArrayView2<f32>| window.fold(f32::NEG_INFINITY, |best, &value| best.max(value));
            pool(image(x)?, *kernel, *strides, &node.shape, largest).into_dyn()
        }
        Op::AveragePool { kernel, strides } => {
            let mean = |window: ArrayView2<f32>| window.sum() / window.len() as f32;
            pool(image(x)?, *kernel, *strides, &node.shape, mean).into_dyn()
        }
        Op::Reshape => x.clone().into_shape_with_order(IxDyn(&node.shape))?,
        Op::Transpose { perm } => x.view().permuted_axes(IxDyn(perm)).to_owned(),
    })
}

fn image(x: &ArrayD<f32>) -> Result<ArrayView3<'_, f32>, ShapeError> {
    x.view().into_dimensionality::<Ix3>()
}

fn dense(weights: &Array2<f32>, bias: &Array1<f32>, x: &Array1<f32>) -> Array1<f32> {
    weights.dot(x) + bias
}

/// One pass over the image per kernel element: for a fixed offset `(i, j)` inside the kernel, the pixels it meets
/// form a strided rectangle, and the results they add to form a dense one. Pixels in the padding are zero and are
/// left out by clipping both rectangles.
fn conv(
    x: ArrayView3<f32>,
    weights: &Array4<f32>,
    bias: &Array1<f32>,
    strides: [usize; 2],
    pads: [usize; 4],
    shape: &[usize],
) -> Array3<f32> {
    let (outputs, _, height, width) = weights.dim();
    let (_, image_height, image_width) = x.dim();
    let (rows, columns) = (shape[1], shape[2]);
    let mut result = Array3::zeros((outputs, rows, columns));
    for (mut plane, &value) in result.outer_iter_mut().zip(bias) {
        plane.fill(value);
    }
    for i in 0..height {
        let vertical = Overlap::new(i, pads[0], strides[0], image_height, rows);
        for j in 0..width {
            let horizontal = Overlap::new(j, pads[1], strides[1], image_width, columns);
            let (Some(v), Some(h)) = (&vertical, &horizontal) else { continue };
            for (o, mut plane) in result.outer_iter_mut().enumerate() {
                let mut target = plane.slice_each_axis_mut(|on| if on.axis == Axis(0) { v.results } else { h.results });
                for (c, channel) in x.outer_iter().enumerate() {
                    let met = channel.slice_each_axis(|on| if on.axis == Axis(0) { v.pixels } else { h.pixels });
                    target.scaled_add(weights[[o, c, i, j]], &met);
                }
            }
        }
    }
    result
}

/// Which results a kernel offset contributes to on one axis, and which pixels it meets there.
struct Overlap {
    results: Slice,
    pixels: Slice,
}

impl Overlap {
    /// Result `r` meets pixel `r * stride + offset - pad`; `None` if that is in the padding for every result.
    fn new(offset: usize, pad: usize, stride: usize, length: usize, results: usize) -> Option<Self> {
        let first = pad.saturating_sub(offset).div_ceil(stride);
        // The last pixel is `length - 1`, so `r * stride <= length - 1 + pad - offset`.
        let end = (length + pad).checked_sub(offset + 1)?.checked_div(stride)?.saturating_add(1).min(results);
        if first >= end {
            return None;
        }
        let start = first * stride + offset - pad;
        let stop = start + (end - 1 - first) * stride + 1;
        // A stride beyond the axis meets one pixel, as does the length; the cast cannot lose anything then.
        let step = stride.min(length) as isize;
        Some(Self { results: Slice::from(first..end), pixels: Slice::from(start..stop).step_by(step) })
    }
}

fn scale_shift(x: &ArrayD<f32>, scale: &[f32], shift: &[f32]) -> ArrayD<f32> {
    let mut result = x.clone();
    for ((mut channel, factor), summand) in result.axis_iter_mut(Axis(0)).zip(scale).zip(shift) {
        channel.mapv_inplace(|value| factor * value + summand);
    }
    result
}

fn pool(
    x: ArrayView3<f32>,
    kernel: [usize; 2],
    strides: [usize; 2],
    shape: &[usize],
    reduce: impl Fn(ArrayView2<f32>) -> f32,
) -> Array3<f32> {
    let mut result = Array3::zeros((shape[0], shape[1], shape[2]));
    for (channel, mut plane) in x.outer_iter().zip(result.outer_iter_mut()) {
        for ((row, column), value) in plane.indexed_iter_mut() {
            let corner = [row * strides[0], column * strides[1]];
            let window = channel.slice_each_axis(|on| {
                let axis = on.axis.index();
                Slice::from(corner[axis]..corner[axis] + kernel[axis])
            });
            *value = reduce(window);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::NodeId;
    use ndarray::{array, stack};

    fn run(op: Op, input: ArrayD<f32>) -> Result<ArrayD<f32>, GraphError> {
        let inputs: Vec<NodeId> = vec![0; op.arity()];
        let shape = op.result_shape(&vec![input.shape(); op.arity()], &[]).unwrap();
        let nodes = vec![
            Node { name: "x".into(), op: Op::Input, inputs: vec![], shape: input.shape().to_vec() },
            Node { name: "y".into(), op, inputs, shape },
        ];
        let mut values = Graph { nodes, input: 0, output: 1 }.run_f32(&input)?;
        Ok(values.remove(1))
    }

    /// The definition, pixel by pixel: an oracle for the clipped rectangles of `conv`.
    fn conv_by_definition(
        x: &Array3<f32>,
        w: &Array4<f32>,
        b: &Array1<f32>,
        st: [usize; 2],
        pads: [usize; 4],
    ) -> Array3<f32> {
        let (channels, height, width) = x.dim();
        let (outputs, _, kh, kw) = w.dim();
        let rows = (height + pads[0] + pads[2] - kh) / st[0] + 1;
        let columns = (width + pads[1] + pads[3] - kw) / st[1] + 1;
        Array3::from_shape_fn((outputs, rows, columns), |(o, r, s)| {
            let mut sum = b[o];
            for c in 0..channels {
                for i in 0..kh {
                    for j in 0..kw {
                        let (y, z) = ((r * st[0] + i).wrapping_sub(pads[0]), (s * st[1] + j).wrapping_sub(pads[1]));
                        sum += w[[o, c, i, j]] * x.get([c, y, z]).copied().unwrap_or(0.0);
                    }
                }
            }
            sum
        })
    }

    #[test]
    fn convolution_agrees_with_its_definition() {
        let ramp = |n: usize| (n as f32 * 0.37).sin();
        for (kernel, st, pads) in [
            ([1, 1], [1, 1], [0, 0, 0, 0]),
            ([3, 3], [1, 1], [1, 1, 1, 1]),
            ([3, 2], [2, 1], [1, 0, 2, 1]),
            ([2, 3], [3, 2], [4, 3, 0, 5]),
            ([5, 4], [1, 3], [0, 2, 3, 0]),
        ] {
            let x = Array3::from_shape_fn((2, 5, 6), |(c, h, w)| ramp(c * 30 + h * 6 + w));
            let w = Array4::from_shape_fn((3, 2, kernel[0], kernel[1]), |(o, c, i, j)| {
                ramp(o * 50 + c * 20 + i * 5 + j + 1)
            });
            let b = array![0.5, -0.25, 0.125];
            let expected = conv_by_definition(&x, &w, &b, st, pads);
            let got = run(Op::Conv { weights: w, bias: b, strides: st, pads }, x.into_dyn()).unwrap();
            let difference = (&got - &expected.into_dyn()).mapv(f32::abs).fold(0.0, |a: f32, &b| a.max(b));
            assert!(difference < 1e-5, "kernel {kernel:?} strides {st:?} pads {pads:?}: {difference}");
        }
    }

    #[test]
    fn dense_is_rows_of_weights_times_the_input() {
        let op = Op::Dense { weights: array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], bias: array![0.5, 0.0, -1.0] };
        assert_eq!(run(op, array![1.0, -1.0].into_dyn()).unwrap(), array![-0.5, -1.0, -2.0].into_dyn());
    }

    #[test]
    fn pools_reduce_each_window_of_each_channel() {
        let x =
            stack![Axis(0), array![[1.0, -2.0, 9.0], [3.0, 4.0, 9.0]], array![[-1.0, -2.0, 9.0], [-3.0, -4.0, 9.0]]];
        let (kernel, strides) = ([2, 2], [2, 2]);
        let largest = run(Op::MaxPool { kernel, strides }, x.clone().into_dyn()).unwrap();
        assert_eq!(largest, array![[[4.0]], [[-1.0]]].into_dyn());
        let mean = run(Op::AveragePool { kernel, strides }, x.into_dyn()).unwrap();
        assert_eq!(mean, array![[[1.5]], [[-2.5]]].into_dyn());
    }

    #[test]
    fn elementwise_operations() {
        let x = array![[1.0, -2.0], [-3.0, 4.0]].into_dyn();
        assert_eq!(run(Op::Relu, x.clone()).unwrap(), array![[1.0, 0.0], [0.0, 4.0]].into_dyn());
        assert_eq!(run(Op::Add, x.clone()).unwrap(), array![[2.0, -4.0], [-6.0, 8.0]].into_dyn());
        let op = Op::ScaleShift { scale: vec![2.0, -1.0], shift: vec![0.5, 0.0] };
        assert_eq!(run(op, x.clone()).unwrap(), array![[2.5, -3.5], [3.0, -4.0]].into_dyn());
        let op = Op::AddConstant { values: array![[1.0, 2.0], [3.0, 4.0]].into_dyn() };
        assert_eq!(run(op, x).unwrap(), array![[2.0, 0.0], [0.0, 8.0]].into_dyn());
    }

    #[test]
    fn transpose_then_reshape_reads_in_the_new_order() {
        let x = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].into_dyn();
        let nodes = vec![
            Node { name: "x".into(), op: Op::Input, inputs: vec![], shape: vec![2, 3] },
            Node { name: "t".into(), op: Op::Transpose { perm: vec![1, 0] }, inputs: vec![0], shape: vec![3, 2] },
            Node { name: "r".into(), op: Op::Reshape, inputs: vec![1], shape: vec![6] },
        ];
        let values = Graph { nodes, input: 0, output: 2 }.run_f32(&x).unwrap();
        assert_eq!(values[2], array![1.0, 4.0, 2.0, 5.0, 3.0, 6.0].into_dyn());
    }

    #[test]
    fn wrong_shapes_and_wild_values_are_refused() {
        let x = array![1.0, f32::NAN].into_dyn();
        assert!(matches!(run(Op::Relu, x), Err(GraphError::NonFinite { index: 1, .. })));
        let big = Op::ScaleShift { scale: vec![f32::MAX], shift: vec![0.0] };
        assert!(matches!(run(big, array![2.0].into_dyn()), Err(GraphError::NonFinite { operator: "ScaleShift", .. })));
        let node = Node { name: "x".into(), op: Op::Input, inputs: vec![], shape: vec![2] };
        let graph = Graph { nodes: vec![node], input: 0, output: 0 };
        let error = graph.run_f32(&array![[1.0, 2.0]].into_dyn()).unwrap_err();
        assert_eq!(error, GraphError::InputShape { expected: vec![2], got: vec![1, 2] });
    }
}
