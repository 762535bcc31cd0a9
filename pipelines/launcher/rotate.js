'use strict';
require('./launcher.js')('task');
