//! Models without a known price. With a budget, every model needs one: a missing one is a mistake, reported before
//! anything is sent. A model from a template without a price fails its record.

use crate::{
    diagnostic::{Fault, Mistake, Place, Warning},
    mistral::{Price, Prices, similar},
    region::region,
    spec::{Form, ModelPrice, Spec, is_template},
};

/// The models without a known price, in a spec with a budget.
pub(crate) fn unpriced(spec: &Spec, prices: &Prices) -> Vec<Mistake> {
    if spec.budget.is_none() {
        return Vec::new();
    }
    let unpriced = named(spec).filter(|(name, _)| prices.of(name).is_none());
    unpriced.map(|(name, place)| Mistake { fault: Fault::NoPrice(name), place }).collect()
}

/// Warnings of models that are probably misspelt.
pub(crate) fn misspelt(spec: &Spec, prices: &Prices) -> Vec<Mistake> {
    // Other servers have other models.
    if spec.mistral.base_url.as_ref().is_some_and(|server| region(&server.value).is_none()) {
        return Vec::new();
    }
    let unknown = named(spec).filter(|(name, _)| prices.of(name).is_none());
    let misspelt = unknown.filter_map(|(name, place)| {
        let near = similar(&name)?.to_owned();
        Some(Mistake { fault: Fault::Warning(Warning::UnknownModel { name, near }), place })
    });
    misspelt.collect()
}

/// The models of a spec that are known before a run, and where they are written.
fn named(spec: &Spec) -> impl Iterator<Item = (String, Place)> {
    let models = spec.stages.iter().filter_map(|stage| match &stage.form {
        Some(Form::Ask(ask) | Form::Submit(ask)) => Some(&ask.model),
        _ => None,
    });
    models.flat_map(|model| {
        let names =
            if is_template(&model.value) { spec.models(&model.value) } else { vec![model.value.clone()] };
        names.into_iter().map(|name| (name, model.place.clone()))
    })
}

/// The prices to use: those of the spec before the program's own.
pub(crate) fn prices(own: &[ModelPrice]) -> Prices {
    let own = own
        .iter()
        .map(|price| (price.model.clone(), Price::new(price.prompt, price.completion, price.pages)));
    Prices::new(own.collect())
}
