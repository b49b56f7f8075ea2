//! The steps that builders put operators together from.
//!
//! A builder thinks in the shapes of ONNX. Here they meet the shapes of the graph, which leave out a batch axis of 1:
//! a step on axis 0 gives the value all its axes first, and others go around that axis.

use super::constant::Constant;
use super::context::{Context, Stop, Tensor};
use super::draft::{MAX_RANK, Operand, canonical, dropped_axes};
use super::error::OnnxError;
use crate::graph::{MAX_ELEMENTS, NodeId, Op, element_count};
use inferproof_circuits::formula::Formula;

impl Context<'_> {
    fn push(&mut self, op: Op, inputs: Vec<NodeId>, declared: &[usize]) -> Result<NodeId, Stop> {
        Ok(self.draft.add(&self.name, &self.operator, op, inputs, declared)?)
    }

    /// Number of elements of a value of this shape, if it may be one. Call it before anything of that size is made.
    pub fn fits(&mut self, shape: &[usize]) -> Result<usize, Stop> {
        if shape.is_empty() {
            let reason =
                "the result is a scalar, expected at least one axis; keep the axes that are reduced or indexed";
            return Err(self.refuse(None, reason));
        }
        if shape.len() > MAX_RANK {
            let reason = format!("the result has {} axes, expected at most {MAX_RANK}; merge some", shape.len());
            return Err(self.refuse(None, reason));
        }
        if shape.contains(&0) {
            let reason = format!("the result has the shape {shape:?}, expected no empty axis; remove the node");
            return Err(self.refuse(None, reason));
        }
        element_count(shape).filter(|&count| count <= MAX_ELEMENTS).ok_or_else(|| {
            let what = format!("node `{}` ({}) yields the shape {shape:?}", self.name, self.operator);
            Stop::Fatal(OnnxError::TooLarge { what, limit: format!("{MAX_ELEMENTS} elements") })
        })
    }

    /// An operation that keeps the shape, which all its operands have.
    pub fn elementwise(&mut self, op: Op, operands: &[&Operand]) -> Result<Operand, Stop> {
        let id = self.push(op, operands.iter().map(|x| x.id).collect(), &[])?;
        let shape = operands.first().map(|x| x.shape.clone()).unwrap_or_default();
        Ok(Operand { id, shape, integers: None })
    }

    /// A function of each element.
    pub fn unary(&mut self, formula: Formula, x: &Operand) -> Result<Operand, Stop> {
        self.elementwise(Op::Unary(formula), &[x])
    }

    /// An operation that takes a value without batch axis: the result has a batch axis of 1.
    pub fn on_sample(&mut self, op: Op, x: &Operand) -> Result<Operand, Stop> {
        let id = self.push(op, vec![x.id], &[])?;
        Ok(Operand { id, shape: [&[1], self.draft.shape(id)].concat(), integers: None })
    }

    /// The same elements under another shape.
    pub fn reshape(&mut self, x: &Operand, shape: Vec<usize>) -> Result<Operand, Stop> {
        self.fits(&shape)?;
        let id = self.reshaped_node(x.id, canonical(&shape))?;
        Ok(Operand { id, shape, integers: x.integers })
    }

    /// A node of this shape with the elements of another one, which may be that node itself.
    fn reshaped_node(&mut self, id: NodeId, shape: &[usize]) -> Result<NodeId, Stop> {
        if self.draft.shape(id) == shape {
            return Ok(id);
        }
        let source = self.draft.before_reshapes(id);
        if self.draft.shape(source) == shape {
            return Ok(source);
        }
        self.push(Op::Reshape, vec![source], shape)
    }

    /// An operation that names axes. `op` gets the number of axes that the graph leaves out in front, which is 0
    /// unless `keeps_batch` says that the operation does not touch axis 0.
    fn on_axes(
        &mut self,
        operands: &[&Operand],
        shape: Vec<usize>,
        keeps_batch: bool,
        op: impl FnOnce(usize) -> Op,
    ) -> Result<Operand, Stop> {
        let dropped = operands.first().map_or(0, |x| dropped_axes(&x.shape));
        let integers = operands.first().and_then(|x| x.integers);
        if keeps_batch {
            let id = self.push(op(dropped), operands.iter().map(|x| x.id).collect(), &[])?;
            return Ok(Operand { id, shape, integers });
        }
        let inputs = operands.iter().map(|x| self.reshaped_node(x.id, &x.shape)).collect::<Result<_, _>>()?;
        let id = self.push(op(0), inputs, &[])?;
        let id = self.reshaped_node(id, canonical(&shape))?;
        Ok(Operand { id, shape, integers })
    }

    /// Axis `i` of the result is axis `perm[i]` of the operand; `perm` is a permutation.
    pub fn transpose(&mut self, x: &Operand, perm: &[usize]) -> Result<Operand, Stop> {
        let shape: Vec<usize> = perm.iter().filter_map(|&axis| x.shape.get(axis).copied()).collect();
        // Axes of size 1 have no say in the order of the elements.
        if perm.iter().filter(|&&axis| x.shape.get(axis) != Some(&1)).is_sorted() {
            return self.reshape(x, shape);
        }
        self.on_axes(&[x], shape, perm.first() == Some(&0), |dropped| Op::Transpose {
            perm: perm.iter().skip(dropped).map(|axis| axis - dropped).collect(),
        })
    }

    /// An axis of `count` indices: index `i` is index `source(i)` of the operand, or `fill`.
    pub fn take(
        &mut self,
        x: &Operand,
        axis: usize,
        count: usize,
        source: impl Fn(usize) -> Option<usize>,
        fill: f32,
    ) -> Result<Operand, Stop> {
        let mut shape = x.shape.clone();
        let same = match shape.get_mut(axis) {
            Some(size) => std::mem::replace(size, count) == count,
            None => return Err(self.shape_error(format!("an axis below {}", x.shape.len()), format!("{axis}"))),
        };
        // Before the indices are written down: a file may ask for any number of them.
        self.fits(&shape)?;
        if same && (0..count).all(|index| source(index) == Some(index)) {
            return Ok(x.clone());
        }
        let indices = (0..count).map(source).collect();
        self.on_axes(&[x], shape, axis > 0, |dropped| Op::Take { axis: axis - dropped, indices, fill })
    }

    /// One or more operands, one after the other on an axis. Tensors of integers have one scale and zero point.
    pub fn concat(&mut self, parts: &[&Operand], axis: usize) -> Result<Operand, Stop> {
        let Some((&first, rest)) = parts.split_first() else {
            return Err(self.shape_error("at least one operand", "none"));
        };
        if rest.is_empty() {
            return Ok(first.clone());
        }
        if rest.iter().any(|part| part.integers != first.integers) {
            return Err(self.refuse_mixed());
        }
        let mut shape = first.shape.clone();
        for part in rest {
            let fits = part.shape.len() == shape.len()
                && part.shape.iter().zip(&shape).enumerate().all(|(at, (size, other))| at == axis || size == other);
            match (shape.get_mut(axis), part.shape.get(axis)) {
                (Some(sum), Some(&size)) if fits => *sum = sum.saturating_add(size),
                _ => {
                    let expected = format!("operands that differ on axis {axis} only, as {:?}", first.shape);
                    return Err(self.shape_error(expected, format!("{:?}", part.shape)));
                }
            }
        }
        self.fits(&shape)?;
        self.on_axes(parts, shape, axis > 0, |dropped| Op::Concat { axis: axis - dropped })
    }

    fn refuse_mixed(&mut self) -> Stop {
        let reason = "got tensors of integers with different types, scales or zero points, or constants among them, \
                      expected activations that are quantised alike; join them before they are quantised";
        self.refuse(None, reason)
    }

    /// A constant as a value of the network, made from another one of which nothing is left.
    pub fn materialise(&mut self, constant: &Constant, any: &Operand) -> Result<Operand, Stop> {
        let values = constant.floats()?.clone();
        let count = self.fits(&constant.shape)?;
        let flat = self.reshape(any, vec![1, any.shape.iter().product()])?;
        // What fills a tensor shares its scale, which another value may not fit; what is added has its own.
        let filled = self.take(&flat, 1, count, |_| None, 0.0)?;
        let filled = self.reshape(&filled, constant.shape.clone())?;
        if values.iter().all(|&value| value == 0.0) { Ok(filled) } else { self.add_constant(&filled, &values) }
    }
}

/// The steps that are the same for activations and constants.
impl Context<'_> {
    /// The same elements under another shape.
    pub fn reshape_any(&mut self, x: Tensor, shape: Vec<usize>) -> Result<Tensor, Stop> {
        match x {
            Tensor::Activation(x) => Ok(self.reshape(&x, shape)?.into()),
            Tensor::Constant(constant) if constant.shape == shape => Ok(Tensor::Constant(constant)),
            Tensor::Constant(constant) => Ok(constant.reshaped(&shape)?.into()),
        }
    }

    /// Axis `i` of the result is axis `perm[i]` of the operand; `perm` is a permutation.
    pub fn transpose_any(&mut self, x: Tensor, perm: &[usize]) -> Result<Tensor, Stop> {
        match x {
            Tensor::Activation(x) => Ok(self.transpose(&x, perm)?.into()),
            Tensor::Constant(constant) => Ok(constant.transposed(perm)?.into()),
        }
    }

    /// An axis of `count` indices: index `i` is index `source(i)` of the operand, or `fill`.
    pub fn take_any(
        &mut self,
        x: &Tensor,
        axis: usize,
        count: usize,
        source: impl Fn(usize) -> Option<usize>,
        fill: f32,
    ) -> Result<Tensor, Stop> {
        match x {
            Tensor::Activation(x) => Ok(self.take(x, axis, count, source, fill)?.into()),
            Tensor::Constant(constant) => Ok(constant.taken(axis, count, source, fill)?.into()),
        }
    }

    /// One or more operands, one after the other on an axis.
    pub fn concat_any(&mut self, parts: &[Tensor], axis: usize) -> Result<Tensor, Stop> {
        let (mut activations, mut constants) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Tensor::Activation(x) => activations.push(x),
                Tensor::Constant(constant) => constants.push(constant.as_ref()),
            }
        }
        let Some(any) = activations.first() else {
            return Ok(Constant::joined(&self.name, &constants, axis)?.into());
        };
        if any.integers.is_some() && !constants.is_empty() {
            return Err(self.refuse_mixed());
        }
        let parts: Vec<Operand> = parts
            .iter()
            .map(|part| match part {
                Tensor::Activation(x) => Ok(x.clone()),
                Tensor::Constant(constant) => self.materialise(constant, any),
            })
            .collect::<Result<_, _>>()?;
        Ok(self.concat(&parts.iter().collect::<Vec<_>>(), axis)?.into())
    }
}
