'use strict';
require('./launcher.js')('settle');
