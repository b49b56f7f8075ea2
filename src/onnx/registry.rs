//! Which function builds which operator. A new operator is one builder and one line here.

use std::collections::BTreeMap;

use super::builders::{convolution, elementwise, linear, normalization, passthrough, pool, shape};
use super::context::{Built, Context, Stop};

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
        registry.register("Add", elementwise::add);
        registry.register("AveragePool", pool::average);
        registry.register("BatchNormalization", normalization::batch);
        registry.register("Constant", passthrough::constant);
        registry.register("Conv", convolution::conv);
        registry.register("Dropout", passthrough::dropout);
        registry.register("Flatten", shape::flatten);
        registry.register("Gemm", linear::gemm);
        registry.register("Identity", passthrough::identity);
        registry.register("MatMul", linear::matmul);
        registry.register("MaxPool", pool::max);
        registry.register("Relu", elementwise::relu);
        registry.register("Reshape", shape::reshape);
        registry.register("Transpose", shape::transpose);
        registry
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
