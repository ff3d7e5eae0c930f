import { failures } from './failures.js';

failures('4.17');
