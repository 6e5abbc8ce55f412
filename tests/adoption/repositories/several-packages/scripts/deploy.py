print('deployed')
