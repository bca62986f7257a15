// Prints axe-core (MPL-2.0, fetched for tests alone), which finds in a page what keeps people from using it.
import axe from 'axe-core';

process.stdout.write(axe.source);
