from jobs.nightly import greeting

TEXT = greeting('week')
