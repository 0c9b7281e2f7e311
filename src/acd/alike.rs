//! Settings of agents, each kept once: a team of a hundred has few that differ in more than the name and the dates of licences.

use super::settings::{AgentSettings, Validity};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Settings without what is everybody's own (name, place, when licences and skills count), and how many agents have them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alike(BTreeMap<Arc<AgentSettings>, u32>);

impl Alike {
    /// Those of one more agent.
    pub fn take(&mut self, settings: &AgentSettings) -> Arc<AgentSettings> {
        let mut common = AgentSettings { name: String::new(), place: 0, ..settings.clone() };
        let licences = common.licences.iter_mut().map(|licence| &mut licence.valid);
        licences.chain(common.skills_valid.values_mut()).for_each(|valid| *valid = Validity::default());
        if let Some((kept, agents)) = self.0.range_mut::<AgentSettings, _>(&common..=&common).next() {
            *agents += 1;
            return kept.clone();
        }
        let common = Arc::new(common);
        self.0.insert(common.clone(), 1);
        common
    }

    /// An agent has them no more.
    pub fn give(&mut self, settings: &Arc<AgentSettings>) {
        let agents = self.0.get_mut(settings).expect("taken for this agent");
        *agents -= 1;
        if *agents == 0 {
            self.0.remove(settings);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_differs_in_name_and_place_shares_and_nothing_is_kept_for_nobody() {
        let of =
            |name: &str, place, tasks| AgentSettings { name: name.into(), place, tasks, ..AgentSettings::default() };
        let mut alike = Alike::default();
        let [anna, bo, cia] = [of("anna", 1, 2), of("bo", 2, 2), of("cia", 3, 3)].map(|settings| alike.take(&settings));
        assert!(Arc::ptr_eq(&anna, &bo) && !Arc::ptr_eq(&anna, &cia));
        assert_eq!((anna.name.as_str(), anna.place, anna.tasks, cia.tasks), ("", 0, 2, 3));
        alike.give(&anna);
        alike.give(&cia);
        assert_eq!(alike.0.into_iter().collect::<Vec<_>>(), [(bo, 1)]);
    }
}
