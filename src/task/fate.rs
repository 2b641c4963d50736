//! How a task ended, for any number of readers. Main type: [`Fate`].

use std::{future::Future, sync::Arc};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use super::{panic_message, spawn};

/// The end of a task that several readers depend on. The task is aborted when the last clone is dropped.
#[derive(Clone)]
pub struct Fate(Shared<BoxFuture<'static, Result<(), Arc<str>>>>);

impl Fate {
    /// Starts a task.
    pub fn of<F>(future: F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = spawn(future);
        let end = async move {
            task.await.map_err(|error| match error.try_into_panic() {
                Ok(panic) => panic_message(&*panic).into(),
                Err(error) => error.to_string().into(),
            })
        };
        Self(end.boxed().shared())
    }

    /// A task that has ended successfully.
    pub fn ended() -> Self {
        Self(futures::future::ready(Ok(())).boxed().shared())
    }

    /// Waits for the end of the task. Its panic continues in every reader.
    pub async fn wait(&self) {
        if let Err(message) = self.0.clone().await {
            std::panic::resume_unwind(Box::new(message.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_reaches_every_reader() {
        let fate = Fate::of(async { panic!("broken") });
        for fate in [fate.clone(), fate] {
            let end = std::panic::AssertUnwindSafe(fate.wait()).catch_unwind().await;
            assert_eq!(panic_message(&*end.unwrap_err()), "broken");
        }
    }
}
