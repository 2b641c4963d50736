//! With a budget, every model needs a price: a missing one is a mistake, reported before anything is sent. A
//! model from a template without a price fails its record.

use crate::{
    diagnostic::{Fault, Mistake},
    mistral::{Price, Prices},
    spec::{Form, ModelPrice, Spec, is_template},
};

/// The models without a known price, in a spec with a budget.
pub(crate) fn unpriced(spec: &Spec, prices: &Prices) -> Vec<Mistake> {
    if spec.budget.is_none() {
        return Vec::new();
    }
    let models = spec.stages.iter().filter_map(|stage| match &stage.form {
        Some(Form::Ask(ask) | Form::Submit(ask)) => Some(&ask.model),
        _ => None,
    });
    let named = models.flat_map(|model| {
        let names =
            if is_template(&model.value) { spec.models(&model.value) } else { vec![model.value.clone()] };
        names.into_iter().map(|name| (name, model.place.clone()))
    });
    let unpriced = named.filter(|(name, _)| prices.of(name).is_none());
    unpriced.map(|(name, place)| Mistake { fault: Fault::NoPrice(name), place }).collect()
}

/// The prices to use: those of the spec before the program's own.
pub(crate) fn prices(own: &[ModelPrice]) -> Prices {
    let own = own
        .iter()
        .map(|price| (price.model.clone(), Price::new(price.prompt, price.completion, price.pages)));
    Prices::new(own.collect())
}
