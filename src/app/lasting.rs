//! What is made once and outlives every configuration.

use std::sync::Arc;

use super::{StartError, ready::Process};
use crate::{
    config::{Config, TlsConfig},
    egress::Hoarding,
    identity::{Maker, Vending},
    server::{
        ReloadingTls,
        tls::{Prepared, TlsError},
    },
    skew::Skew,
    telemetry::{Listener, Recorder},
};

/// The process, and what it drew at its start: what it gave away is known again.
pub(super) struct Lasting {
    pub(super) recorder: Recorder,
    pub(super) skew: Skew,
    pub(super) process: Arc<Process>,
    pub(super) vending: Arc<Vending>,
    /// A process knows its own contexts again.
    pub(super) maker: Maker,
    pub(super) hoarding: Arc<Hoarding>,
    pub(super) tls: Tls,
}

/// The certificates of the listeners that have one.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    pub(super) ingress: Option<Arc<ReloadingTls>>,
    pub(super) egress: Option<Arc<ReloadingTls>>,
}

impl Lasting {
    /// Draws and reads it.
    pub(super) fn new(config: &Config, recorder: Recorder, process: Process) -> Result<Self, StartError> {
        let skew = Skew::new(recorder.clock.clone(), recorder.metrics.clone());
        let vending = Vending::new().map_err(|_| StartError::Randomness)?;
        let maker = Maker::random().map_err(|_| StartError::Randomness)?;
        let tls = Tls::load(config, &recorder)?;
        let (process, vending) = (Arc::new(process), Arc::new(vending));
        Ok(Self { recorder, skew, process, vending, maker, hoarding: Arc::default(), tls })
    }
}

impl Tls {
    fn load(config: &Config, recorder: &Recorder) -> Result<Self, StartError> {
        let load = |(key, files): (&'static str, &TlsConfig), listener| {
            ReloadingTls::load(files, listener, recorder.clock.clone(), recorder.metrics.clone())
                .map_err(|error| StartError::Tls { key, error })
        };
        Ok(Self {
            ingress: of_ingress(config).map(|files| load(files, Listener::Ingress)).transpose()?,
            egress: of_egress(config).map(|files| load(files, Listener::Egress)).transpose()?,
        })
    }

    /// Reads the certificates that `config` has instead.
    pub(super) fn prepare(&self, config: &Config) -> Result<Vec<(Arc<ReloadingTls>, Prepared)>, StartError> {
        let pairs = [(&self.ingress, of_ingress(config)), (&self.egress, of_egress(config))];
        let pairs = pairs.into_iter().filter_map(|(tls, files)| Some((tls.as_ref()?, files?)));
        let prepare = |(tls, (key, files)): (&Arc<ReloadingTls>, (&'static str, &TlsConfig))| {
            let prepared = tls.prepare(files).map_err(|error: TlsError| StartError::Tls { key, error })?;
            Ok((tls.clone(), prepared))
        };
        pairs.map(prepare).collect()
    }

    /// All there are.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<ReloadingTls>> {
        self.ingress.iter().chain(&self.egress)
    }
}

fn of_ingress(config: &Config) -> Option<(&'static str, &TlsConfig)> {
    config.ingress.as_ref().map(|ingress| ("ingress.tls", &ingress.tls))
}

fn of_egress(config: &Config) -> Option<(&'static str, &TlsConfig)> {
    config.egress.as_ref().and_then(|egress| egress.tls.as_ref()).map(|files| ("egress.tls", files))
}
