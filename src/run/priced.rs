//! Under a budget every model has a price: one without is a mistake, told before anything is sent.

use crate::{
    diagnostic::{Fault, Mistake},
    mistral::Prices,
    spec::{Form, Spec},
};

/// The models of a spec with a budget whose price is not known.
pub(super) fn unpriced(spec: &Spec, prices: &Prices) -> Vec<Mistake> {
    if spec.budget.is_none() {
        return Vec::new();
    }
    let models = spec.stages.iter().filter_map(|stage| match &stage.form {
        Some(Form::Ask(ask) | Form::Submit(ask)) => Some(&ask.model),
        _ => None,
    });
    let unpriced = models.filter(|model| prices.of(&model.value).is_none());
    unpriced
        .map(|model| Mistake { fault: Fault::NoPrice(model.value.clone()), place: model.place.clone() })
        .collect()
}
