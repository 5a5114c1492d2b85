"""A fleet of simulated devices: everything is the product's own but camera, detector and tracker.

crowd ▶ stand_ins ▶ edge.pipeline ▶ outbox ┊ ▶ edge.station, edge.delivery ▶ MQTT
seeded   of camera,   aggregates,     memory      birth, will, acks, back-off    real sockets,
people   tracker      dates, seals    or disk     as on a device                 one epoll loop

options ▶ fleet (broker, receiver, faults, workers) ▶ check (database) ▶ report
          worker (some of the devices) = device, producer, driver, sockets
"""
