//! Emits rows: scalar arithmetic, chains, products.
//!
//! Everything here is layout, not semantics: a [`Val`] is a claimed cell together with the monomial it
//! is off by, and every method says what the machine then enforces about it.

use super::{
    Cell, ChainOp, ConsumerRatio, Earlier, Lane, Mono, ONE_TAG, Pin, ProducerRatio, ProductOp, Row, Table, TableKind,
    WeightSlot,
};
use crate::machine::{LINK_ROW, Shape};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A scalar of the program: its value is `cell * mono`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Val {
    pub cell: Cell,
    pub mono: Mono,
}

/// One element of a pair of chains that run side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainItem {
    pub tag: u64,
    pub kappa: u64,
    pub lane: Lane,
    pub y_copy: Option<Cell>,
    /// Consumer chain (by number, consecutive items share one) and monomial of `y` in it.
    pub x: Option<(usize, Mono)>,
    /// Monomial of `F` in the producer chain.
    pub y: Option<Mono>,
    /// Whether copies may read its `y`.
    pub read: bool,
}

/// Weights of one operand: `(sum of slot * monomial) * operand`.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub items: Vec<(WeightSlot, Mono)>,
    pub operand: Val,
}

/// What a pair of chains came to.
#[derive(Clone, Debug)]
pub(crate) struct ChainValues {
    /// Value of each consumer chain, by number.
    pub x: HashMap<usize, Val>,
    /// Value of the producer chain.
    pub y: Option<Val>,
    /// Row on which each item is the later one, or the only one.
    pub rows: Vec<Option<usize>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Base {
    Position,
    Channel,
    Byte,
}

/// Builds the rows of a program.
#[derive(Debug)]
pub struct Builder {
    pub(crate) rows: Vec<Row>,
    pub(crate) equalities: Vec<(Cell, Cell)>,
    pub(crate) table: Table,
    shape: Shape,
    constants: HashMap<i64, Cell>,
    powers: HashMap<(Base, i64), Cell>,
    monos: HashMap<Mono, Cell>,
    sums: HashMap<(Mono, usize), Cell>,
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Position => "u",
            Self::Channel => "R",
            Self::Byte => "256",
        })
    }
}

impl Builder {
    /// A program that starts with an instance chain of `words` words, over `rows` rows if they are more.
    ///
    /// Row 0 starts it; `P_0 = u` and `z_0 = R` by the gates of the first row. The chain's value
    /// `sum_i inst_i u^(-i)` is returned.
    pub(crate) fn new(shape: Shape, words: usize, rows: usize) -> (Self, Val) {
        let mut builder = Self {
            rows: vec![],
            equalities: vec![],
            table: Table::new(),
            shape,
            constants: HashMap::new(),
            powers: HashMap::new(),
            monos: HashMap::new(),
            sums: HashMap::new(),
        };
        builder.rows.push(Row { x: ChainOp::Reset, y: ChainOp::Reset, ..Row::default() });
        let rows = words.max(rows);
        builder.rows.resize(rows, Row::default());
        let end = builder.push(Row { y: ChainOp::Reset, ..Row::default() });
        let last = rows as i64 - 1;
        (builder, Val { cell: Cell::P(end), mono: Mono::position(-last) })
    }

    pub(crate) fn push(&mut self, row: Row) -> usize {
        self.rows.push(row);
        self.rows.len() - 1
    }

    /// A cell that is 0: `y` of an idle row.
    pub(crate) const fn zero() -> Cell {
        Cell::Y(0)
    }

    /// A cell that is `value`.
    pub(crate) fn constant(&mut self, value: i64) -> Cell {
        if value == 0 {
            return Self::zero();
        }
        if let Some(cell) = self.constants.get(&value) {
            return *cell;
        }
        let tag = self.table.tag(TableKind::Constant { value });
        let row = self.push(Row { tag, lane: Lane::Constant(value), ..Row::default() });
        self.constants.insert(value, Cell::Y(row));
        Cell::Y(row)
    }

    /// A cell that is `a * b + c`. Cost: two rows.
    pub(crate) fn fma(&mut self, a: Cell, b: Cell, c: Cell) -> Cell {
        self.push(Row { product: ProductOp::Fma, p_pin: Pin::Copy(a), z_pin: Pin::Copy(b), ..Row::default() });
        Cell::P(self.push(Row { z_pin: Pin::Copy(c), ..Row::default() }))
    }

    pub(crate) fn multiply(&mut self, a: Cell, b: Cell) -> Cell {
        self.fma(a, b, Self::zero())
    }

    pub(crate) fn assert_equal(&mut self, a: Cell, b: Cell) {
        self.equalities.push((a, b));
    }

    /// A cell that is `1/a`; no witness exists where `a = 0`. Cost: two rows.
    fn inverse(&mut self, a: Cell) -> Cell {
        let one = self.constant(1);
        let row =
            self.push(Row { product: ProductOp::Fma, p_pin: Pin::InverseOf(a), z_pin: Pin::Copy(a), ..Row::default() });
        let product = self.push(Row { z_pin: Pin::Copy(Self::zero()), ..Row::default() });
        self.assert_equal(Cell::P(product), one);
        Cell::P(row)
    }

    fn power(&mut self, base: Base, exponent: i64) -> Cell {
        if let Some(cell) = self.powers.get(&(base, exponent)) {
            return *cell;
        }
        let cell = match (base, exponent) {
            (_, 0) => self.constant(1),
            (Base::Position, 1) => Cell::P(0),
            (Base::Channel, 1) => Cell::Z(0),
            (Base::Byte, 1) => self.constant(256),
            (_, e) if e < 0 => {
                let positive = self.power(base, -e);
                self.inverse(positive)
            }
            (_, e) if e % 2 == 0 => {
                let half = self.power(base, e / 2);
                self.multiply(half, half)
            }
            (_, e) => {
                let (even, one) = (self.power(base, e - 1), self.power(base, 1));
                self.multiply(even, one)
            }
        };
        self.powers.insert((base, exponent), cell);
        cell
    }

    /// A cell that is `mono`, pinned to the challenges by `fma` rows.
    pub(crate) fn mono(&mut self, mono: Mono) -> Cell {
        if let Some(cell) = self.monos.get(&mono) {
            return *cell;
        }
        let factors = [(Base::Position, mono.position), (Base::Channel, mono.channel), (Base::Byte, mono.byte)];
        let mut product = None;
        for (base, exponent) in factors.into_iter().filter(|(_, e)| *e != 0) {
            let factor = self.power(base, exponent);
            product = Some(product.map_or(factor, |p| self.multiply(p, factor)));
        }
        let cell = product.unwrap_or_else(|| self.constant(1));
        self.monos.insert(mono, cell);
        cell
    }

    /// A cell that is `sum of step^t for t < count`, `count >= 1`, by doubling. No division.
    pub(crate) fn geometric(&mut self, step: Mono, count: usize) -> Cell {
        assert!(count >= 1, "an empty sum has no use");
        if let Some(cell) = self.sums.get(&(step, count)) {
            return *cell;
        }
        let cell = if count == 1 {
            self.constant(1)
        } else if count.is_multiple_of(2) {
            let half = self.geometric(step, count / 2);
            let jump = self.mono(step.pow(count as i64 / 2));
            self.fma(half, jump, half)
        } else {
            let (rest, ratio, one) = (self.geometric(step, count - 1), self.mono(step), self.constant(1));
            self.fma(rest, ratio, one)
        };
        self.sums.insert((step, count), cell);
        cell
    }

    /// The value itself, without a monomial. Cost: two rows unless the monomial is 1.
    pub(crate) fn absolute(&mut self, value: Val) -> Cell {
        if value.mono == Mono::ONE {
            return value.cell;
        }
        let mono = self.mono(value.mono);
        self.multiply(value.cell, mono)
    }

    /// A cell that is `value * factor + addend`.
    pub(crate) fn accumulate(&mut self, value: Val, factor: Cell, addend: Cell) -> Cell {
        let value = self.absolute(value);
        self.fma(value, factor, addend)
    }

    /// Emits items row by row, with the two chains over them, and exposes the chains' values.
    ///
    /// Enforced: `x[id] = sum of y * monomial` over the items of consumer chain `id`, and
    /// `y = sum of F * monomial` over the items with a producer monomial. Items without one must have `F = 0`
    /// if others have one.
    pub(crate) fn chain(&mut self, items: &[ChainItem]) -> ChainValues {
        let plan = ChainPlan::new(items, self.shape);
        let monos: BTreeSet<Mono> = plan.steps.iter().filter_map(|s| s.multiplier).collect();
        for mono in monos {
            self.mono(mono);
        }
        let first = self.rows.len();
        let mut rows = vec![None; items.len()];
        for (offset, step) in plan.steps.iter().enumerate() {
            let z_pin = step.multiplier.map_or(Pin::Free, |m| Pin::Copy(self.monos[&m]));
            let mut row = Row { x: step.x, y: step.y, z_pin, ..Row::default() };
            if let Some(index) = step.item {
                let item = &items[index];
                (row.tag, row.kappa, row.lane, row.y_copy) = (item.tag, item.kappa, item.lane, item.y_copy);
                rows[index] = Some(first + offset);
                row.earlier =
                    step.earlier.map(|ratios| Earlier { lane: items[index - 1].lane, x: ratios.x, y: ratios.y });
            }
            self.push(row);
        }
        let x = plan.x_values.iter().map(|&(id, step, mono)| (id, Val { cell: Cell::Z(first + step), mono }));
        ChainValues {
            x: x.collect(),
            y: plan.y_value.map(|(step, mono)| Val { cell: Cell::P(first + step), mono }),
            rows,
        }
    }

    /// Emits products of weight chains with operands.
    ///
    /// Enforced: the result is `sum over groups of (sum of omega * monomial) * operand`. Cost: one row a
    /// weight slot, and two; two more for each group that is off by another monomial than the first.
    ///
    /// Every row whose `omega` counts holds a slot: a registrant cannot hide a weight elsewhere.
    pub(crate) fn products(&mut self, groups: &[Group]) -> Val {
        let last = |g: &Group| g.items.last().expect("a group has a slot").1;
        let norm = last(&groups[0]) * groups[0].operand.mono;
        // Scalars that the run needs stand before it.
        let mut rows: Vec<(ProductOp, Cell, WeightSlot)> = vec![];
        for group in groups {
            for pair in group.items.windows(2) {
                rows.push((ProductOp::Hold, self.mono(pair[0].1 / pair[1].1), pair[0].0));
            }
            let correction = last(group) * group.operand.mono / norm;
            let operand = self.absolute(Val { cell: group.operand.cell, mono: correction });
            rows.push((ProductOp::Product, operand, group.items.last().expect("a group has a slot").0));
        }
        let zero = Pin::Copy(Self::zero());
        self.push(Row { product: ProductOp::Hold, z_pin: zero, p_pin: zero, ..Row::default() });
        for (product, z, slot) in rows {
            self.push(Row { product, z_pin: Pin::Copy(z), slot: Some(slot), ..Row::default() });
        }
        // A row of its own for the result, so that nothing else pins this cell of `P`.
        Val { cell: Cell::P(self.push(Row::default())), mono: norm }
    }

    /// The cell that holds `omega` on the link row. Costs no row: those before and after it are of the instance chain.
    ///
    /// Enforced: `hW` is 0 on the link row after a start, so `P' = 0 + (0 + omega) * 1`.
    pub(crate) fn link(&mut self) -> Cell {
        let one = self.constant(1);
        let zero = Pin::Copy(Self::zero());
        let start = &mut self.rows[LINK_ROW - 1];
        (start.product, start.z_pin, start.p_pin) = (ProductOp::Hold, zero, zero);
        let link = &mut self.rows[LINK_ROW];
        (link.product, link.z_pin) = (ProductOp::Product, Pin::Copy(one));
        Cell::P(LINK_ROW + 1)
    }

    /// An idle row's defaults, for callers that add a lane.
    pub(crate) const fn idle_kappa() -> u64 {
        ONE_TAG
    }
}

/// Rows that [`Builder::chain`] emits for these items, spacers and the last one included.
pub(crate) fn chain_rows(items: &[ChainItem], shape: Shape) -> usize {
    ChainPlan::new(items, shape).steps.len()
}

/// Weights of the earlier element on a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ratios {
    x: ConsumerRatio,
    y: ProducerRatio,
}

impl Ratios {
    /// Of two neighbours on one row; `None` if they need two.
    fn of(earlier: &ChainItem, later: &ChainItem) -> Option<Self> {
        let alike = (earlier.tag, earlier.kappa) == (later.tag, later.kappa);
        // A rim has no table that keeps its lane at 0, and there is one column of them.
        if !alike || earlier.kappa == 0 || earlier.read || earlier.y_copy.is_some() {
            return None;
        }
        let x = match (earlier.x, later.x) {
            (None, None) => ConsumerRatio::U,
            (Some((a, earlier)), Some((b, later))) if a == b => match earlier / later {
                Mono::U => ConsumerRatio::U,
                Mono::ONE => ConsumerRatio::One,
                _ => return None,
            },
            _ => return None,
        };
        let y = match (earlier.y, later.y) {
            (None, None) => ProducerRatio::U,
            (Some(earlier), Some(later)) => match earlier / later {
                Mono::U => ProducerRatio::U,
                Mono::U2 => ProducerRatio::USquared,
                _ => return None,
            },
            _ => return None,
        };
        Some(Self { x, y })
    }

    /// What the opcode `step-u` multiplies the two chains by on a row.
    fn native(ratios: Option<Self>) -> [Mono; 2] {
        let Some(Self { x, y }) = ratios else { return [Mono::U; 2] };
        let x = match x {
            ConsumerRatio::U => Mono::U2,
            ConsumerRatio::One => Mono::U,
        };
        let y = match y {
            ProducerRatio::U => Mono::U2,
            ProducerRatio::USquared => Mono::U2.pow(2),
        };
        [x, y]
    }
}

struct ChainStep {
    item: Option<usize>,
    /// Whether the item before stands on the row too.
    earlier: Option<Ratios>,
    x: ChainOp,
    y: ChainOp,
    multiplier: Option<Mono>,
}

/// An opcode and, for `step-z`, the multiplier; for what is no `reset` the monomial that the chain is multiplied by.
#[derive(Clone, Copy)]
enum Need {
    Reset,
    /// Nobody reads the chain.
    Any,
    By(Mono),
}

impl Need {
    fn op(self, native: Mono) -> ChainOp {
        match self {
            Self::Reset => ChainOp::Reset,
            Self::Any => ChainOp::StepU,
            Self::By(mono) if mono == native => ChainOp::StepU,
            Self::By(_) => ChainOp::StepZ,
        }
    }

    fn multiplier(self, native: Mono) -> Option<Mono> {
        match self {
            Self::By(mono) if mono != native => Some(mono),
            _ => None,
        }
    }
}

/// Which opcode and multiplier each row of a pair of chains has, and which two items share a row.
///
/// Both chains share one `z` a row. Where they want it for different ends (a reset of `x` exposes through `z`), a spacer row
/// serves `x` while `y` steps by `u`, and the next row corrects `y`.
struct ChainPlan {
    steps: Vec<ChainStep>,
    /// Chain number, step that exposes it, monomial it is off by.
    x_values: Vec<(usize, usize, Mono)>,
    x_closed: HashSet<usize>,
    y_value: Option<(usize, Mono)>,
    x_open: Option<(usize, Mono)>,
    y_open: Option<Mono>,
}

impl ChainPlan {
    fn new(items: &[ChainItem], shape: Shape) -> Self {
        let mut plan = Self {
            steps: vec![],
            x_values: vec![],
            x_closed: HashSet::new(),
            y_value: None,
            x_open: None,
            y_open: None,
        };
        let mut index = 0;
        while let Some(item) = items.get(index) {
            let next = items.get(index + 1).filter(|_| shape == Shape::Paired);
            let ratios = next.and_then(|next| Ratios::of(item, next));
            let later = index + usize::from(ratios.is_some());
            plan.item(later, &items[later], ratios);
            index = later + 1;
        }
        plan.close();
        plan
    }

    /// What `x` needs at an item.
    ///
    /// An item in no consumer chain ends the open one, unless its `y` is 0.
    fn x_need(&self, item: &ChainItem) -> Need {
        match (item.x, self.x_open) {
            (None, Some(_)) if !matches!(item.lane, Lane::Rim { .. } | Lane::RimSum { .. }) => Need::Reset,
            (None, _) => Need::Any,
            (Some((id, mono)), Some((open, at))) if id == open => Need::By(at / mono),
            (Some(_), _) => Need::Reset,
        }
    }

    fn y_need(&self, target: Option<Mono>) -> Need {
        match (target, self.y_open) {
            (None, _) => Need::Any,
            (Some(mono), Some(at)) => Need::By(at / mono),
            (Some(_), None) => Need::Reset,
        }
    }

    fn item(&mut self, index: usize, item: &ChainItem, earlier: Option<Ratios>) {
        let natives = Ratios::native(earlier);
        let (x, y) = (self.x_need(item), self.y_need(item.y));
        let (x_mul, y_mul) = (x.multiplier(natives[0]), y.multiplier(natives[1]));
        if x.op(natives[0]) != ChainOp::StepU && y_mul.is_some() && x_mul != y_mul {
            // After the spacer, a step by what is native lands on the item's monomial; after a reset the chain is 0.
            let spacer = match x {
                Need::By(mono) => Need::By(mono / natives[0]),
                other => other,
            };
            self.row(None, None, [spacer, Need::Any]);
            self.x_open = item.x.map(|(id, mono)| (id, mono * natives[0]));
            let x = item.x.map_or(Need::Any, |_| Need::By(natives[0]));
            let y = self.y_need(item.y);
            self.row(Some(index), earlier, [x, y]);
        } else {
            self.row(Some(index), earlier, [x, y]);
        }
        if let Some(target) = item.x {
            self.x_open = Some(target);
        }
        if let Some(mono) = item.y {
            self.y_open = Some(mono);
        }
    }

    fn row(&mut self, item: Option<usize>, earlier: Option<Ratios>, [x, y]: [Need; 2]) {
        let natives = Ratios::native(earlier);
        let ops = [x.op(natives[0]), y.op(natives[1])];
        let multipliers = [x.multiplier(natives[0]), y.multiplier(natives[1])];
        if let Need::Reset = x {
            self.expose_x();
        } else if let Some((_, at)) = &mut self.x_open {
            *at = *at / multipliers[0].unwrap_or(natives[0]);
        }
        if let Some(at) = &mut self.y_open {
            *at = *at / multipliers[1].unwrap_or(natives[1]);
        }
        let [x_mul, y_mul] = multipliers;
        assert!(x_mul.is_none() || y_mul.is_none() || x_mul == y_mul, "one multiplier a row");
        assert!(ops[0] != ChainOp::Reset || y_mul.is_none(), "a reset exposes through z");
        self.steps.push(ChainStep { item, earlier, x: ops[0], y: ops[1], multiplier: x_mul.or(y_mul) });
    }

    fn expose_x(&mut self) {
        if let Some((id, mono)) = self.x_open.take() {
            assert!(self.x_closed.insert(id), "a chain is one run of items");
            self.x_values.push((id, self.steps.len(), mono));
        }
    }

    fn close(&mut self) {
        let x = if self.x_open.is_some() { Need::Reset } else { Need::Any };
        let y_open = self.y_open.take();
        let y = if y_open.is_some() { Need::Reset } else { Need::Any };
        self.y_value = y_open.map(|mono| (self.steps.len(), mono));
        self.row(None, None, [x, y]);
    }
}
