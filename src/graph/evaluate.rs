//! Plain float evaluation of a graph, one readable function per operation.
//!
//! It serves calibration and tests. The independent check on it is the reference runtime behind
//! [`Reference`](crate::onnx::Reference); this code shares nothing with that.

mod elementwise;
mod integers;
mod layout;
#[cfg(test)]
mod testing;
mod windows;

use ndarray::{ArrayD, Ix1, IxDyn, ShapeError};

use super::{Graph, GraphError, Node, Op, Window};

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
    let second = operands.get(1).copied().unwrap_or(x);
    Ok(match &node.op {
        Op::Input => x.clone(),
        Op::Dense { weights, bias } => (weights.dot(&x.view().into_dimensionality::<Ix1>()?) + bias).into_dyn(),
        Op::Conv { weights, bias, strides, pads, dilations, groups } => {
            let (_, _, height, width) = weights.dim();
            let window = Window { kernel: [height, width], strides: *strides, pads: *pads, dilations: *dilations };
            windows::conv(windows::image(x)?, weights, bias, *groups, &window, &node.shape).into_dyn()
        }
        Op::ScaleShift { scale, shift } => elementwise::scale_shift(x, scale, shift),
        Op::AddConstant { values } => x + values,
        Op::MulConstant { values } => x * values,
        Op::Add => x + second,
        Op::Sub => x - second,
        Op::Mul => x * second,
        Op::Relu => x.mapv(|value| value.max(0.0)),
        Op::Unary(formula) => x.mapv(|value| formula.evaluate(f64::from(value)) as f32),
        Op::MaxPool(window) => windows::max_pool(windows::image(x)?, window, &node.shape).into_dyn(),
        Op::SumPool { window, divisor } => {
            windows::sum_pool(windows::image(x)?, window, *divisor, &node.shape).into_dyn()
        }
        Op::BeforeMax => elementwise::before_max(x),
        Op::DropMax => elementwise::drop_max(x),
        &Op::Quantise { step, lo, hi } => integers::quantise(x, step, lo, hi),
        Op::IntegerConv { weights, bias, operand_step, steps, window, groups } => {
            let (operand_step, groups) = (*operand_step, *groups);
            let conv = integers::IntegerConv { weights, bias, operand_step, steps, window, groups };
            conv.run(windows::image(x)?, &node.shape).into_dyn()
        }
        &Op::Restep { from, shift, to } => integers::restep(x, from, shift, to),
        Op::Reshape => x.clone().into_shape_with_order(IxDyn(&node.shape))?,
        Op::Transpose { perm } => x.view().permuted_axes(IxDyn(perm)).to_owned(),
        Op::Take { axis, indices, fill } => layout::take(x, *axis, indices, *fill, &node.shape),
        Op::Concat { axis } => layout::concat(operands, *axis)?,
    })
}

#[cfg(test)]
mod tests {
    use super::testing::run;
    use super::*;
    use inferproof_circuits::formula::Formula;
    use ndarray::array;

    /// Runs a graph of an input of two elements and one operation on it.
    fn run_graph(op: Op, input: &ArrayD<f32>) -> Result<Vec<ArrayD<f32>>, GraphError> {
        let node = |op, inputs| Node { name: "n".into(), op, inputs, shape: vec![2] };
        Graph { nodes: vec![node(Op::Input, vec![]), node(op, vec![0])], input: 0, output: 1 }.run_f32(input)
    }

    #[test]
    fn dense_is_rows_of_weights_times_the_input() {
        let op = Op::Dense { weights: array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], bias: array![0.5, 0.0, -1.0] };
        assert_eq!(run(op, &[&array![1.0, -1.0].into_dyn()]).unwrap(), array![-0.5, -1.0, -2.0].into_dyn());
    }

    #[test]
    fn every_value_of_a_graph_is_returned() {
        let x = array![1.0, -2.0].into_dyn();
        assert_eq!(run_graph(Op::Relu, &x).unwrap(), [x, array![1.0, 0.0].into_dyn()]);
    }

    #[test]
    fn wrong_shapes_and_wild_values_are_refused() {
        let error = run_graph(Op::Relu, &array![1.0, f32::NAN].into_dyn()).unwrap_err();
        assert!(matches!(error, GraphError::NonFinite { operator: "Input", index: 1, .. }));
        let x = array![1.0, -2.0].into_dyn();
        for (op, operator) in [
            (Op::ScaleShift { scale: vec![0.0, f32::MAX], shift: vec![0.0, 0.0] }, "ScaleShift"),
            (Op::MulConstant { values: array![1.0, f32::MAX].into_dyn() }, "MulConstant"),
            (Op::Unary(Formula::Log), "Log"),
        ] {
            let error = run_graph(op, &x).unwrap_err();
            assert!(matches!(error, GraphError::NonFinite { operator: o, index: 1, .. } if o == operator), "{error}");
        }
        let error = run_graph(Op::Relu, &array![[1.0, 2.0]].into_dyn()).unwrap_err();
        assert_eq!(error, GraphError::InputShape { expected: vec![2], got: vec![1, 2] });
    }
}
