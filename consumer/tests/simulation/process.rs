//! A simulated process: a group of tasks that are killed together.

use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

/// The tasks of a simulated process. When it is killed, none of them runs any further.
#[derive(Debug, Clone)]
pub(crate) struct Process(Arc<ProcessState>);

#[derive(Debug)]
struct ProcessState {
    name: String,
    /// `None` after the process was killed.
    tasks: Mutex<Option<JoinSet<()>>>,
    panics: Panics,
}

/// The names of processes in which a task panicked.
pub(crate) type Panics = Arc<Mutex<Vec<String>>>;

impl Process {
    pub(crate) fn start(name: String, panics: &Panics) -> Self {
        Self(Arc::new(ProcessState {
            name,
            tasks: Mutex::new(Some(JoinSet::new())),
            panics: Arc::clone(panics),
        }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Runs `task` as a part of the process. If the process was killed, the task is dropped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = Box::pin(task);
        let mut tasks = self.0.tasks.lock().unwrap();
        let late = match &mut *tasks {
            Some(tasks) => {
                tasks.spawn(task);
                while let Some(ended) = tasks.try_join_next() {
                    self.ended(ended);
                }
                None
            }
            None => Some(task),
        };
        // Dropping a task may spawn another task, so the lock is released afterwards.
        drop(tasks);
        drop(late);
    }

    /// Drops all tasks at their current await points.
    pub(crate) fn kill(&self) {
        let tasks = self.0.tasks.lock().unwrap().take();
        let Some(mut tasks) = tasks else { return };
        while let Some(ended) = tasks.try_join_next() {
            self.ended(ended);
        }
        // Dropping the set aborts the other tasks.
        drop(tasks);
    }

    /// Returns true if every task has ended.
    pub(crate) fn is_finished(&self) -> bool {
        let mut tasks = self.0.tasks.lock().unwrap();
        let Some(tasks) = &mut *tasks else {
            return true;
        };
        while let Some(ended) = tasks.try_join_next() {
            self.ended(ended);
        }
        tasks.is_empty()
    }

    fn ended(&self, task: Result<(), tokio::task::JoinError>) {
        if task.is_err_and(|error| error.is_panic()) {
            self.0.panics.lock().unwrap().push(self.0.name.clone());
        }
    }
}
