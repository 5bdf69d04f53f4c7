"""Do the answers agree? Pure: normalise, typed differences, signatures."""
