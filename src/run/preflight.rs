//! Before the first request: the key works, the model is there, is not retired, and takes what it is asked.

use tokio::sync::OnceCell;

use crate::{
    mistral::{CallError, Client, wire::Model},
    plan::Task,
};

use super::{Context, RunError, question::Question};

/// The models that the server has, asked for once and only when something is to be asked.
#[derive(Default)]
pub(super) struct Preflight(OnceCell<Vec<Model>>);

impl Context {
    /// Checks a stage's model. A server that lists no models, or not this one's, is no reason to stop: only
    /// Mistral's own list is complete.
    pub(super) async fn preflight(&self, client: &Client, question: &Question) -> Result<(), RunError> {
        let client = client.clone().with_retry_policy(question.ask.retry);
        let models = self.preflight.0.get_or_try_init(|| async {
            match client.models().await {
                Ok(models) => Ok(models),
                Err(CallError::Stop(cause)) if self.is_mistral() => Err(RunError::from(cause)),
                Err(_) => Ok(Vec::new()),
            }
        });
        let models = models.await?;
        if models.is_empty() || !self.is_mistral() {
            return Ok(());
        }
        check(models, question)
    }

    fn is_mistral(&self) -> bool {
        self.server == "mistral" || self.server == "simulator"
    }
}

fn check(models: &[Model], question: &Question) -> Result<(), RunError> {
    let (stage, name) = (question.stage.to_string(), question.ask.model.clone());
    let found = models.iter().find(|model| model.id == name || model.aliases.contains(&name));
    let Some(model) = found else {
        let known = models.iter().map(|model| model.id.as_str());
        let near = crate::diagnostic::nearest(&name, known).map(str::to_owned);
        return Err(RunError::NoModel { stage, model: name, near });
    };
    let retired = model.deprecation.as_ref().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    if retired.is_some_and(|at| at <= jiff::Timestamp::now()) {
        let instead = model.deprecation_replacement_model.clone();
        return Err(RunError::Retired { stage, model: name, instead });
    }
    if let (Task::Chat(chat), Some(context)) = (&question.ask.task, model.max_context_length)
        && let Some(most) = chat.settings.max_tokens().filter(|most| *most >= context)
    {
        return Err(RunError::Context { stage, model: name, context, most });
    }
    Ok(())
}
