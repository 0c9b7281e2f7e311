//! A day in the call centre: simulated callers, agents, network and clock round the real engine.
