//! The tasks about people: changes another aggregator made, and the signed heads of the audit trail.

use super::named;
use crate::api::Api;
use crate::audit::head::Signer;
use crate::config::Config;
use crate::feeds::Intake;
use crate::hq::Board;
use crate::identity;
use crate::ingest::Input;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::people::{People, Places};
use crate::store::Store;
use crate::system::Health;
use anyhow::{Context, Result};
use minewatch_domain::At;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How soon a right taken away by another aggregator ends an event stream here.
const LOOK: Duration = Duration::from_secs(2);

/// What is started.
pub(super) struct Identities {
    people: People,
    places: Places,
    signer: Arc<Signer>,
    store: Store,
    identity: Option<identity::Gate>,
    metrics: Metrics,
}

impl Identities {
    /// Reads what is known, offers the set-up while there is nobody, opens the key of the trail.
    pub(super) async fn open(config: &Config, store: &Store, metrics: &Metrics) -> Result<Identities> {
        let places = Places::default();
        let people = People::open(store.clone(), config.policy.clone())
            .with_context(|| format!("people.secret_key_file {}", config.policy.secret_key_file.display()))?;
        let sealed = people.seal_all().await.context("sealing stored secrets")?;
        if sealed > 0 {
            tracing::info!(sealed, "secrets stored in the clear by an older program are sealed now");
        }
        people.offer_setup().await.context("set-up")?;
        people.look().await.context("reading people")?;
        places.refresh(store).await.context("reading places")?;
        let signer = Signer::open(&config.audit_key)
            .with_context(|| format!("audit.key_file {}", config.audit_key.display()))?;
        let identity = config.identity.as_ref().map(|settings| gate(config, settings, store));
        let identity = identity.transpose().context("identity")?;
        let signer = Arc::new(signer);
        Ok(Identities { people, places, signer, store: store.clone(), identity, metrics: metrics.clone() })
    }

    /// What the handlers work with.
    pub(super) fn api(
        &self,
        config: &Config,
        (store, live, health, metrics): (&Store, &Live, &Health, &Metrics),
        orders: mpsc::Sender<Input>,
        (instance, started, broker_url, embedded): (u64, At, String, bool),
    ) -> Result<Api> {
        let evidence = config.evidence.as_ref().map(|settings| settings.open(store)).transpose().context("evidence")?;
        Ok(Api {
            identity: self.identity.clone(),
            store: store.clone(),
            live: live.clone(),
            health: health.clone(),
            metrics: metrics.clone(),
            instance,
            started,
            broker_url,
            embedded,
            orders,
            rules: Arc::clone(&config.rules),
            token: config.read_token.as_deref().map(Arc::from),
            notify: config.notify.clone(),
            evidence,
            feeds: config.feeds.clone().map(|feeds| Intake::new(store.clone(), feeds, metrics.clone())),
            people: self.people.clone(),
            places: self.places.clone(),
            audit_key: config.audit_key.clone(),
            signer: Arc::clone(&self.signer),
            checks: Arc::new(tokio::sync::Semaphore::new(1)),
            judges: crate::risk::Judges::default(),
        })
    }

    /// Starts it.
    pub(super) fn spawn(self, tasks: &mut JoinSet<&'static str>, board: Board, stop: &CancellationToken) {
        let Identities { people, places, signer, store, identity, metrics } = self;
        if let Some(gate) = identity {
            tasks.spawn(named("identity", identity::keep_up(gate, metrics, stop.clone())));
        }
        tasks.spawn(named("audit head", signer.run(store.clone(), board, stop.clone())));
        tasks.spawn(named("people", watch(people, places, store, stop.clone())));
    }
}

/// Opens both authorities.
fn gate(config: &Config, settings: &identity::IdentityConfig, store: &Store) -> Result<identity::Gate> {
    let open = |which| Ok::<_, anyhow::Error>(Arc::new(identity::Ca::open(&settings.dir, which)?));
    Ok(identity::Gate {
        registry: identity::Registry::new(store.clone()),
        gateways: open(identity::Authority::Gateways)?,
        headquarters: open(identity::Authority::Headquarters)?,
        config: settings.clone(),
        policy: config.policy.clone(),
    })
}

async fn watch(people: People, places: Places, store: Store, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
        let looked = match people.look().await {
            Ok(()) => places.refresh(&store).await,
            Err(error) => Err(error),
        };
        if let Err(error) = looked {
            tracing::warn!(error = &error as &dyn std::error::Error, "people and places not readable");
        }
    }
}
