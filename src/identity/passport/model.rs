//! The table against a model of it that is too simple to be wrong.

use std::time::{SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use super::{
    tests::{config, expiring, occasion, redemptions, table, text},
    *,
};

const TENANTS: [&str; 3] = ["acme", "acme-eu", "globex"];
const MAX_LIVE: usize = 6;
const GRACE: u64 = 2_000;
/// `max_age`, `upgrade_max_age`, `max_uses`
const TERMS: [(u64, u64, Option<u32>); 3] = [(10_000, 30_000, None), (5_000, 5_000, Some(2)), (20_000, 20_000, Some(1))];

#[derive(Debug, Clone)]
enum Step {
    Mint {
        tenant: usize,
        terms: usize,
        token: u64,
    },
    Use {
        which: usize,
        claim: Option<usize>,
    },
    /// The response ends as it should.
    End(usize),
    /// The response fails, is cancelled, or its caller goes.
    Cancel(usize),
    Upgrade(usize),
    /// The directory says that a tenant is suspended.
    Suspend(usize),
    Advance(u64),
    Clear,
    /// The process starts anew.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let (which, tenant) = (0..64_usize, 0..TENANTS.len());
    prop_oneof![
        6 => (tenant.clone(), 0..TERMS.len(), prop_oneof![1_000..40_000_u64, Just(9_000_000)])
            .prop_map(|(tenant, terms, token)| Step::Mint { tenant, terms, token }),
        10 => (which.clone(), prop::option::of(tenant.clone())).prop_map(|(which, claim)| Step::Use { which, claim }),
        3 => which.clone().prop_map(Step::End),
        3 => which.clone().prop_map(Step::Cancel),
        2 => which.prop_map(Step::Upgrade),
        1 => tenant.prop_map(Step::Suspend),
        5 => prop_oneof![1..3_000_u64, Just(10_000), Just(200_000)].prop_map(Step::Advance),
        1 => Just(Step::Clear),
        1 => Just(Step::Restart),
    ]
}

/// What is to be said of one passport. Times in milliseconds.
struct Modelled {
    text: String,
    passport: Option<Passport>,
    tenant: usize,
    made: u64,
    token: u64,
    terms: (u64, u64, Option<u32>),
    upgraded: bool,
    used: u32,
    /// When its response came to a regular end.
    grace_from: Option<u64>,
    /// When and whether it was taken out because of its time alone.
    gone: Option<(u64, How)>,
    leases: Vec<Lease>,
}

impl Modelled {
    fn end(&self) -> u64 {
        let life = if self.upgraded { self.terms.1 } else { self.terms.0 };
        let end = self.made + life.min(self.token);
        self.grace_from.map_or(end, |from| end.min(from + GRACE))
    }

    fn is_live(&self, now: u64) -> bool {
        self.gone.is_none() && now < self.end()
    }

    fn redeem(&self, now: u64, claim: Option<usize>) -> Result<(), Reason> {
        let remembered = |at: u64| u128::from(now - at) < ended::KEPT.as_millis();
        match self.gone {
            Some((at, How::Expired)) if remembered(at) => return Err(Reason::PassportExpired),
            Some(_) => return Err(Reason::PassportUnknown),
            None if now >= self.end() && self.grace_from.is_some() => return Err(Reason::PassportUnknown),
            None if now >= self.end() => return Err(Reason::PassportExpired),
            None => {}
        }
        if claim.is_some_and(|claim| claim != self.tenant) {
            return Err(Reason::TenantMismatch);
        }
        if self.terms.2.is_some_and(|uses| self.used >= uses) { Err(Reason::PassportUsedUp) } else { Ok(()) }
    }
}

struct Model {
    passports: Passports,
    clock: Clock,
    now: u64,
    searched: u64,
    all: Vec<Modelled>,
    redeemed: [u64; 2],
}

impl Model {
    fn new() -> Self {
        let config = PassportConfig { max_live: MAX_LIVE, grace: Duration::from_millis(GRACE), ..config(10) };
        let (passports, clock) = table(config);
        Self { passports, clock, now: 0, searched: 0, all: Vec::new(), redeemed: [0; 2] }
    }

    fn present(&self) -> impl Iterator<Item = &Modelled> {
        self.all.iter().filter(|one| one.gone.is_none())
    }

    fn let_go(&mut self) {
        let now = self.now;
        self.all
            .iter_mut()
            .filter(|one| one.gone.is_none() && one.grace_from.is_some() && one.end() <= now)
            .for_each(|one| one.gone = Some((now, How::Ended)));
    }

    fn expire(&mut self) {
        let now = self.now;
        self.all
            .iter_mut()
            .filter(|one| one.gone.is_none() && one.grace_from.is_none() && one.end() <= now)
            .for_each(|one| one.gone = Some((now, How::Expired)));
    }

    fn has_room(&self, tenant: usize) -> bool {
        self.present().count() < MAX_LIVE && self.present().filter(|one| one.tenant == tenant).count() < MAX_LIVE / 2
    }

    fn wall(&self) -> SystemTime {
        self.clock.now()
    }

    fn mint(&mut self, tenant: usize, terms: usize, token: u64) {
        self.let_go();
        let second = self.wall().duration_since(UNIX_EPOCH).unwrap().as_secs();
        if !self.has_room(tenant) && std::mem::replace(&mut self.searched, second) != second {
            self.expire();
        }
        let expected = self.has_room(tenant);
        let verified = expiring(TENANTS[tenant], self.wall() + Duration::from_millis(token));
        let (max_age, upgrade, max_uses) = TERMS[terms];
        let given = PassportTerms {
            max_age: Duration::from_millis(max_age),
            upgrade_max_age: Duration::from_millis(upgrade),
            actions: None,
            max_uses,
        };
        let minted = self.passports.mint_under(&given, &verified, occasion(&RequestId::random()));
        assert_eq!(
            minted.as_ref().map(drop).map_err(|refusal| refusal.reason),
            if expected { Ok(()) } else { Err(Reason::PassportsExhausted) }
        );
        if let Ok(passport) = minted {
            let text = text(&passport);
            self.all.push(Modelled {
                text,
                passport: Some(passport),
                tenant,
                made: self.now,
                token,
                terms: TERMS[terms],
                upgraded: false,
                used: 0,
                grace_from: None,
                gone: None,
                leases: Vec::new(),
            });
        }
    }

    fn redeem(&mut self, which: usize, claim: Option<usize>) {
        let (now, passports) = (self.now, &self.passports);
        let one = &mut self.all[which];
        let expected = one.redeem(now, claim);
        let claimed = claim.map(|claim| ClaimedTenant::for_tests(TENANTS[claim]));
        let result = passports.redeem(&one.text, claimed.as_ref());
        match result {
            Ok((tenant, lease)) => {
                assert_eq!(expected, Ok(()), "redeemed at {now}");
                assert_eq!(tenant.tenant().as_str(), TENANTS[one.tenant]);
                assert_eq!(lease.remaining(), Some(Duration::from_millis(one.end() - now)));
                one.used += 1;
                one.leases.push(lease);
                self.redeemed[0] += 1;
            }
            Err(refusal) => {
                assert_eq!(expected, Err(refusal.reason), "refused at {now}");
                self.redeemed[1] += 1;
            }
        }
    }

    fn finish(&mut self, which: usize, regular: bool) {
        let Some(passport) = self.all[which].passport.take() else { return };
        if regular {
            self.let_go();
        }
        let now = self.now;
        let one = &mut self.all[which];
        if regular && one.is_live(now) {
            one.grace_from = Some(now);
        } else {
            one.gone = Some((now, How::Ended));
        }
        if regular { passport.response_ended() } else { drop(passport) }
    }

    fn upgrade(&mut self, which: usize) {
        let now = self.now;
        let one = &mut self.all[which];
        if let Some(passport) = &one.passport {
            passport.upgrade();
            one.upgraded |= one.is_live(now);
        }
    }

    fn take(&mut self, step: Step) {
        let among = |which: usize| (!self.all.is_empty()).then(|| which % self.all.len());
        match step {
            Step::Mint { tenant, terms, token } => self.mint(tenant, terms, token),
            Step::Use { which, claim } => {
                if let Some(which) = among(which) {
                    self.redeem(which, claim);
                }
            }
            Step::End(which) | Step::Cancel(which) => {
                if let Some(chosen) = among(which) {
                    self.finish(chosen, matches!(step, Step::End(_)));
                }
            }
            Step::Upgrade(which) => {
                if let Some(which) = among(which) {
                    self.upgrade(which);
                }
            }
            Step::Suspend(tenant) => {
                let doomed = self.present().filter(|one| one.tenant == tenant).count();
                assert_eq!(self.passports.end_where(|holder| holder.tenant().as_str() == TENANTS[tenant]), doomed);
                let now = self.now;
                self.all
                    .iter_mut()
                    .filter(|one| one.gone.is_none() && one.tenant == tenant)
                    .for_each(|one| one.gone = Some((now, How::Ended)));
            }
            Step::Advance(by) => {
                self.clock.advance(Duration::from_millis(by));
                self.now += by;
            }
            Step::Clear => {
                self.passports.table.clear();
                self.let_go();
                self.expire();
            }
            Step::Restart => {
                let before = std::mem::replace(self, Self::new());
                for one in &before.all {
                    assert_eq!(self.passports.redeem(&one.text, None).unwrap_err().reason, Reason::PassportUnknown);
                }
                self.redeemed[1] = before.all.len() as u64;
            }
        }
    }

    /// What holds at any time.
    fn check(&self) {
        assert_eq!(self.passports.count(), self.present().count());
        assert!(self.present().count() <= MAX_LIVE);
        for one in &self.all {
            assert!(one.terms.2.is_none_or(|uses| one.used <= uses));
            for lease in &one.leases {
                assert_eq!(lease.is_over(), !one.is_live(self.now), "a lease that is over at another time than its passport");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_passport_is_worth_anything_outside_its_life(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new();
        for step in steps {
            model.take(step);
            model.check();
        }
        // Each presentation is counted, and once.
        model.all.iter_mut().for_each(|one| one.leases.clear());
        let refused: u64 = ["late", "expired", "unknown", "refused"].iter().map(|result| redemptions(&model.passports, result)).sum();
        assert_eq!([redemptions(&model.passports, "ok"), refused], model.redeemed);
    }
}
