//! Which function builds which operator. A new operator is one builder and one line here.

use std::collections::BTreeMap;

use super::builders::reduce::Reduction;
use super::builders::{
    blocks, constants, convolution, elementwise, expand, extremum, integer, linear, movement, normalization, pad,
    passthrough, pool, quantise, reduce, resize, select, shape, softmax, transposed, unary,
};
use super::context::{Built, Context, Stop};
use super::fold::Arithmetic;
use inferproof_circuits::formula::Formula;

/// Builds one node: reads its attributes, then [`Context::finish_attributes`], then its inputs. In that order, so that
/// a node behind a refused one still has its own attributes judged.
pub(super) type Builder = fn(&mut Context<'_>) -> Result<Built, Stop>;

/// The supported operators of the standard ONNX domain.
pub struct Registry {
    builders: BTreeMap<&'static str, Builder>,
}

impl Registry {
    /// All operators that this library supports.
    pub fn standard() -> Self {
        let mut registry = Self { builders: BTreeMap::new() };
        registry.register_layers();
        registry.register_integers();
        registry.register_functions();
        registry.register_arithmetic();
        registry.register_selections();
        registry.register_movements();
        registry
    }

    /// Weights and windows.
    fn register_layers(&mut self) {
        self.register("AveragePool", pool::average);
        self.register("BatchNormalization", normalization::batch);
        self.register("Conv", convolution::conv);
        self.register("ConvTranspose", transposed::conv_transpose);
        self.register("Gemm", linear::gemm);
        self.register("GlobalAveragePool", pool::global_average);
        self.register("GlobalMaxPool", pool::global_max);
        self.register("MatMul", linear::matmul);
        self.register("MaxPool", pool::max);
        self.register("Resize", resize::resize);
        self.register("Upsample", resize::upsample);
    }

    /// Quantised tensors.
    fn register_integers(&mut self) {
        self.register("ConvInteger", integer::conv_integer);
        self.register("DequantizeLinear", quantise::dequantize_linear);
        self.register("MatMulInteger", integer::matmul_integer);
        self.register("QLinearConv", integer::qlinear_conv);
        self.register("QLinearMatMul", integer::qlinear_matmul);
        self.register("QuantizeLinear", quantise::quantize_linear);
    }

    /// Functions of each element.
    fn register_functions(&mut self) {
        self.register("Abs", |context| unary::plain(context, Formula::Abs));
        self.register("Ceil", |context| unary::plain(context, Formula::Ceil));
        self.register("Celu", unary::celu);
        self.register("Clip", unary::clip);
        self.register("Elu", |context| unary::with_alpha(context, 1.0, |alpha| Formula::Elu { alpha }));
        self.register("Erf", |context| unary::plain(context, Formula::Erf));
        self.register("Exp", |context| unary::plain(context, Formula::Exp));
        self.register("Floor", |context| unary::plain(context, Formula::Floor));
        self.register("Gelu", unary::gelu);
        self.register("HardSigmoid", unary::hard_sigmoid);
        self.register("HardSwish", |context| unary::plain(context, Formula::HardSwish));
        self.register("LeakyRelu", |context| unary::with_alpha(context, 0.01, |alpha| Formula::LeakyRelu { alpha }));
        self.register("Log", |context| unary::plain(context, Formula::Log));
        self.register("Mish", |context| unary::plain(context, Formula::Mish));
        self.register("Neg", |context| unary::plain(context, Formula::Neg));
        self.register("PRelu", unary::prelu);
        self.register("Reciprocal", |context| unary::plain(context, Formula::Reciprocal));
        self.register("Relu", unary::relu);
        self.register("Round", |context| unary::plain(context, Formula::Round));
        self.register("Selu", unary::selu);
        self.register("Sigmoid", |context| unary::plain(context, Formula::Sigmoid));
        self.register("Sign", |context| unary::plain(context, Formula::Sign));
        self.register("Softplus", |context| unary::plain(context, Formula::Softplus));
        self.register("Softsign", |context| unary::plain(context, Formula::Softsign));
        self.register("Sqrt", |context| unary::plain(context, Formula::Sqrt));
        self.register("Swish", |context| unary::with_alpha(context, 1.0, |alpha| Formula::Silu { alpha }));
        self.register("Tanh", |context| unary::plain(context, Formula::Tanh));
        self.register("ThresholdedRelu", |context| {
            unary::with_alpha(context, 1.0, |alpha| Formula::ThresholdedRelu { alpha })
        });
    }

    /// Several operands, element by element.
    fn register_arithmetic(&mut self) {
        self.register("Add", |context| elementwise::binary(context, Arithmetic::Add));
        self.register("Div", |context| elementwise::binary(context, Arithmetic::Div));
        self.register("Max", |context| extremum::of_all(context, Arithmetic::Max));
        self.register("Mean", elementwise::mean);
        self.register("Min", |context| extremum::of_all(context, Arithmetic::Min));
        self.register("Mul", |context| elementwise::binary(context, Arithmetic::Mul));
        self.register("Sub", |context| elementwise::binary(context, Arithmetic::Sub));
        self.register("Sum", elementwise::sum);
    }

    /// One result from the elements along an axis, or all of them made comparable.
    fn register_selections(&mut self) {
        self.register("ArgMax", |context| select::arg(context, true));
        self.register("ArgMin", |context| select::arg(context, false));
        self.register("LogSoftmax", |context| softmax::softmax(context, true));
        self.register("ReduceMax", |context| reduce::reduce(context, Reduction::Max, 18));
        self.register("ReduceMean", |context| reduce::reduce(context, Reduction::Mean, 18));
        self.register("ReduceMin", |context| reduce::reduce(context, Reduction::Min, 18));
        self.register("ReduceSum", |context| reduce::reduce(context, Reduction::Sum, 13));
        self.register("Softmax", |context| softmax::softmax(context, false));
        self.register("TopK", select::top_k);
    }

    /// The same elements elsewhere.
    fn register_movements(&mut self) {
        self.register("Cast", passthrough::cast);
        self.register("Concat", movement::concat);
        self.register("Constant", constants::constant);
        self.register("ConstantOfShape", constants::constant_of_shape);
        self.register("DepthToSpace", blocks::depth_to_space);
        self.register("Dropout", passthrough::dropout);
        self.register("Expand", expand::expand);
        self.register("Flatten", shape::flatten);
        self.register("Gather", movement::gather);
        self.register("Identity", passthrough::identity);
        self.register("Pad", pad::pad);
        self.register("Reshape", shape::reshape);
        self.register("Shape", shape::shape);
        self.register("Size", shape::size);
        self.register("Slice", movement::slice);
        self.register("SpaceToDepth", blocks::space_to_depth);
        self.register("Split", movement::split);
        self.register("Squeeze", shape::squeeze);
        self.register("Tile", expand::tile);
        self.register("Transpose", shape::transpose);
        self.register("Unsqueeze", shape::unsqueeze);
    }

    fn register(&mut self, operator: &'static str, builder: Builder) {
        self.builders.insert(operator, builder);
    }

    pub(super) fn builder(&self, operator: &str) -> Option<Builder> {
        self.builders.get(operator).copied()
    }

    /// Names of the supported operators, sorted.
    pub fn operators(&self) -> impl Iterator<Item = &'static str> {
        self.builders.keys().copied()
    }
}
